"""Names of the files that a reading leaves in the cache, for worker and web process."""

HEAT_MAP = "heat-map.png"
REPORT_PDF = "report.pdf"
