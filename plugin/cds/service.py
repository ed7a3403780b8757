"""What Wetread offers an EHR that speaks CDS Hooks 2.0 ("Discovery", "Prefetch Template")."""

from __future__ import annotations

from typing import Any

DISCOVERY_PATH = "/cds-services"
SERVICE_ID = "wetread-chest-studies"
SERVICE_PATH = f"{DISCOVERY_PATH}/{SERVICE_ID}"
HOOK = "patient-view"

# Plain searches: the specification asks for no more of an EHR ("Prefetch query restrictions").
PREFETCH = {
    "patient": "Patient/{{context.patientId}}",
    "studies": "ImagingStudy?patient={{context.patientId}}",
    "reports": "DiagnosticReport?patient={{context.patientId}}",
}


def discovery() -> dict[str, Any]:
    """Give the document that an EHR registers the service from.

    References
    ----------
    CDS Hooks 2.0, "Discovery"
    """
    return {
        "services": [
            {
                "hook": HOOK,
                "id": SERVICE_ID,
                "title": "Wetread: chest images to look at",
                "description": (
                    "Says which of the patient's chest images have no report yet and which have "
                    "only an unverified AI reading, and opens them in Wetread. Reads nothing "
                    "itself. For research and demonstration: not a diagnosis."
                ),
                "prefetch": dict(PREFETCH),
                "usageRequirements": (
                    "Studies are named from the record alone; an EHR that prefetches neither "
                    "studies nor reports must send fhirAuthorization with search on both."
                ),
            }
        ]
    }
