"""FHIR R4 records, one folder a scenario; the demo hospital opens with them."""
