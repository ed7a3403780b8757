"""Whether a resource is the patient's, and whether it is Wetread's.

A server may ignore a search parameter or a condition that it does not know (FHIR R4,
search.html#errors). So nothing counts as ours because a search gave it or a condition named it: the
resource itself has to carry our identifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugin.imaging.identity import local_id
from plugin.reporting.fhir_codes import OWN, PROBABILITY


def has_identifier(resource: Mapping[str, Any], system: str, value: str) -> bool:
    """Tell whether a resource carries an identifier."""
    identifiers = resource.get("identifier")
    return any(
        isinstance(one, Mapping) and (one.get("system"), one.get("value")) == (system, value)
        for one in (identifiers if isinstance(identifiers, list) else ())
    )


def is_unmarked_finding(resource: Mapping[str, Any]) -> bool:
    """Tell whether an Observation has our code and no identifier at all.

    Some servers do not keep `Observation.identifier`. The code alone makes nothing ours: every
    reading has it.
    """
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, Mapping) else None
    ours = any(
        isinstance(one, Mapping) and (one.get("system"), one.get("code")) == (OWN, PROBABILITY)
        for one in (codings if isinstance(codings, list) else ())
    )
    return ours and not resource.get("identifier")


def is_of_patient(resource: Mapping[str, Any], patient: str, base_url: str) -> bool:
    """Tell whether a patient of this record is the resource's subject."""
    subject = (resource.get("subject") or {}).get("reference")
    return local_id(subject, "Patient", base_url) == patient


def first_result(report: Mapping[str, Any]) -> str | None:
    """Give the reference to the report's first finding."""
    return next((r["reference"] for r in report.get("result", ()) if r.get("reference")), None)
