"""SMART App Launch 2.2.0, "Scopes for requesting identity data": the ``fhirUser`` claim."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from smart_launch.addresses import is_below

# The types that SMART names for fhirUser.
_USER_TYPES = "Patient|Practitioner|PractitionerRole|RelatedPerson|Person"
_TAIL = re.compile(
    rf"(?P<base>|https?://[^\s?#]+/)(?P<type>{_USER_TYPES})/(?P<id>[A-Za-z0-9\-.]{{1,64}})"
    r"(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)


@dataclass(frozen=True)
class FhirUser:
    """The user as a FHIR resource.

    Parameters
    ----------
    reference : str
        Absolute, without a version.
    type : str
        Patient, Practitioner, PractitionerRole, RelatedPerson or Person.
    id : str
        Logical id at its server.
    is_local : bool
        Whether it lies at the EHR's own FHIR base: only then may the token read it.
    """

    reference: str
    type: str
    id: str = field(repr=False)
    is_local: bool

    @property
    def is_patient(self) -> bool:
        """Whether the user is a patient or acts for one, and not one of the staff."""
        return self.type in ("Patient", "RelatedPerson")


def parse_fhir_user(claim: object, fhir_base: str) -> FhirUser | None:
    """Read a ``fhirUser`` claim, absolute or relative to the FHIR base.

    Parameters
    ----------
    claim : object
        As it came; servers send relative references too.
    fhir_base : str
        Base address of the EHR.

    Returns
    -------
    FhirUser or None
        None when the claim does not name a user resource: then nobody is known.

    References
    ----------
    SMART App Launch 2.2.0, scopes-and-launch-context.html#scopes-for-requesting-identity-data
    """
    if not isinstance(claim, str):
        return None
    match = _TAIL.fullmatch(claim)
    if match is None:
        return None
    base = fhir_base.rstrip("/")
    own_base = match["base"].rstrip("/") or base
    reference = f"{own_base}/{match['type']}/{match['id']}"
    is_local = is_below(reference, base) and urlsplit(own_base).path == urlsplit(base).path
    return FhirUser(reference, match["type"], match["id"], is_local)
