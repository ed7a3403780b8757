"""One call of the service: the body of the POST, checked for shape and for whose record it is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plugin.cds.errors import CallInvalid
from plugin.cds.service import HOOK
from plugin.ehrs import Ehr

LONGEST = 512
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")
_USER = re.compile(r"(?P<type>[A-Z][A-Za-z]{0,63})/[A-Za-z0-9\-.]{1,64}")
# RFC 6750 2.1 knows fewer characters; none beyond these can be part of a header.
_TOKEN = re.compile(r"[!-~]{1,8192}")
# The kinds of user that patient-view names and that Wetread is not for.
NOT_CLINICIANS = ("Patient", "RelatedPerson")


@dataclass(frozen=True)
class FhirAuthorization:
    """What the EHR lets the service read by itself (CDS Hooks 2.0, "FHIR Resource Access").

    Attributes
    ----------
    subject : str
        Client id that the token was made for.
    """

    access_token: str = field(repr=False)
    scopes: tuple[str, ...]
    subject: str


@dataclass(frozen=True)
class Call:
    """A `patient-view` call.

    Attributes
    ----------
    patient : str
        Id of the Patient whose chart was opened.
    for_clinician : bool
        False for patients and their relatives.
    authorization : FhirAuthorization or None
    prefetch : mapping
        Key to resource, as the EHR sent it; unchecked.
    """

    patient: str = field(repr=False)
    for_clinician: bool
    authorization: FhirAuthorization | None
    prefetch: Mapping[str, Any] = field(repr=False)


def read_call(body: bytes, ehr: Ehr) -> Call:
    """Read the body of a call from this EHR.

    Raises
    ------
    CallInvalid
        ``not_json``, ``call_invalid``, ``hook_foreign``, ``fhir_server_foreign`` or
        ``patient_contradicted``.

    References
    ----------
    CDS Hooks 2.0, "Calling a CDS Service"; hooks/patient-view
    """
    document = _read_json(body)
    if document.get("hook") != HOOK:
        raise CallInvalid(f"`hook` must be {HOOK}.", code="hook_foreign")
    _text(document, "hookInstance")
    context, prefetch = document.get("context"), document.get("prefetch", {})
    if not isinstance(context, dict) or not isinstance(prefetch, dict | None):
        raise CallInvalid("`context` and `prefetch` must be objects.")
    patient = _text(context, "patientId").removeprefix("Patient/")
    user = _USER.fullmatch(_text(context, "userId"))
    if not _ID.fullmatch(patient) or user is None:
        raise CallInvalid("`patientId` must be an id, and `userId` a reference (Type/id).")
    authorization = _read_authorization(document.get("fhirAuthorization"), patient)
    _check_server(document.get("fhirServer"), ehr, needed=authorization is not None)
    for_clinician = user["type"] not in NOT_CLINICIANS
    return Call(patient, for_clinician, authorization, prefetch or {})


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CallInvalid("The body must be JSON; it is not.", code="not_json") from error
    if not isinstance(document, dict):
        raise CallInvalid("The body must be a JSON object.", code="not_json")
    return document


def _check_server(server: object, ehr: Ehr, *, needed: bool) -> None:
    """Refuse any record but that of the EHR that has proved itself."""
    if server is None and not needed:
        return
    if server != ehr.issuer:
        raise CallInvalid(
            "`fhirServer` must be the registered issuer of the calling EHR, letter by letter.",
            code="fhir_server_foreign",
        )


def _read_authorization(value: object, patient: str) -> FhirAuthorization | None:
    if value is None:
        return None
    if not isinstance(value, dict) or str(value.get("token_type")).lower() != "bearer":
        raise CallInvalid("`fhirAuthorization` must be an object with a Bearer token.")
    token = value.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise CallInvalid("`access_token` must be a printable text without blanks.")
    if value.get("patient") not in (None, patient):
        raise CallInvalid(
            "`fhirAuthorization` must be for the patient of the context.",
            code="patient_contradicted",
        )
    scopes = _text(value, "scope", longest=8192).split()
    return FhirAuthorization(token, tuple(scopes), _text(value, "subject"))


def _text(parts: Mapping[str, Any], name: str, *, longest: int = LONGEST) -> str:
    value = parts.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
        raise CallInvalid(f"`{name}` must be a text of up to {longest} characters.")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")
