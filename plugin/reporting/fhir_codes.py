"""Codes and systems that Wetread puts into FHIR resources, each with its source.

Where no standard code exists (a "probability of Covid-19" has none) the code is one of
Wetread's own code system; `own_code_system()` gives that system as a FHIR resource.
"""

from __future__ import annotations

from typing import Any

BASE = "https://wetread.example/fhir"
READING_KEY = f"{BASE}/reading-key"
STUDY_KEY = f"{BASE}/study-read"
WEIGHTS_SHA256 = f"{BASE}/weights-sha256"
OWN = f"{BASE}/CodeSystem/wetread"

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/v2-0074"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
DATA_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
SECURITY_LABEL = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
# R4 extension: this report supplements the target. R6 turned it into DiagnosticReport.relatesTo.
ADDENDUM_OF = "http://hl7.org/fhir/StructureDefinition/diagnosticReport-addendumOf"

PROBABILITY = "class-probability"
OWN_CODES = {
    "ai-reading": "Unverified reading by a machine",
    PROBABILITY: "Probability of the finding that the model looks for",
    "interval-low": "Lower bound of the probability",
    "interval-high": "Upper bound of the probability",
    "prevalence-presumed": "Prevalence that the probability presumes",
    "prevalence-reference": "Prevalence at which the model was calibrated",
    "likelihood-ratio": "Likelihood ratio of the image",
    "extent-level": "Radiographic extent, level 1 to 3",
    "extent-geographic-extent": "Radiographic extent: geographic extent, 0 to 8",
    "extent-opacity": "Radiographic extent: opacity, 0 to 6",
    "extent-brixia": "Radiographic extent: Brixia score, 0 to 18",
    "extent-measure": "Radiographic extent: a measure that the text names",
    "image-read": "The image that was read, by its DICOM SOP Instance UID",
    "image-classification": "Classification of a medical image by a neural network",
}

# LOINC / RSNA Radiology Playbook.
CHEST_SINGLE_VIEW = ("36554-4", "XR Chest Single view")
CHEST_TWO_VIEWS = ("36643-5", "XR Chest 2 Views")
CHEST_CT = ("24627-2", "CT Chest")
RADIOLOGY = ("LP29684-5", "Radiology")


def coding(system: str, code: str, display: str | None = None) -> dict[str, str]:
    """Give a FHIR Coding."""
    value = {"system": system, "code": code}
    return value | {"display": display} if display else value


def own(code: str) -> dict[str, str]:
    """Give a Coding of Wetread's own system; KeyError for a code that it does not define."""
    return coding(OWN, code, OWN_CODES[code])


def own_code_system() -> dict[str, Any]:
    """Give Wetread's code system as a FHIR R4 CodeSystem resource."""
    return {
        "resourceType": "CodeSystem",
        "id": "wetread",
        "url": OWN,
        "name": "WetreadCodes",
        "title": "Codes of Wetread's reports",
        "status": "active",
        "experimental": True,
        "content": "complete",
        "caseSensitive": True,
        "concept": [{"code": code, "display": text} for code, text in OWN_CODES.items()],
    }
