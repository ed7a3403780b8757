"""SMART App Launch 2.2.0, "Launch context arrives with your access_token"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smart_launch.addresses import is_below, split_secure
from smart_launch.errors import LaunchRefused, TransportError
from smart_launch.fhir_user import FhirUser

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_RELATIVE = re.compile(r"(?P<type>[A-Z][A-Za-z]{0,63})/(?P<id>[A-Za-z0-9\-.]{1,64})")
_LONGEST_TEXT = 256
_LONGEST_APP_CONTEXT = 4096
_MOST_ITEMS = 200


@dataclass(frozen=True)
class FhirContextItem:
    """One entry of ``fhirContext``.

    Parameters
    ----------
    reference : str or None
        ``Type/id`` for the EHR's own server, absolute for another one.
    type : str or None
        Resource type, from the reference or as stated.
    role : str
        ``launch`` unless the EHR says otherwise.
    identifier : (str or None, str) or None
        System and value.
    canonical : str or None
        Canonical address.
    """

    reference: str | None = field(repr=False)
    type: str | None
    role: str = "launch"
    identifier: tuple[str | None, str] | None = field(default=None, repr=False)
    canonical: str | None = None


@dataclass(frozen=True)
class LaunchContext:
    """What the EHR says the launch is about.

    Parameters
    ----------
    patient, encounter : str or None
        Logical ids.
    fhir_context : tuple of FhirContextItem
        Further resources.
    fhir_user : str or None
        Absolute reference of the user, only from a verified id_token.
    intent : str or None
        As sent; one that the app does not know means its default page.
    need_patient_banner : bool
        True also when the EHR does not say: then the patient must be shown.
    tenant : str or None
        Opaque.
    smart_style_url : str or None
        https address of the EHR's style sheet description.
    user : FhirUser or None
        The user with type and id.
    app_context : str or None
        ``appContext``: what the link of a CDS card carried, at most 4096 characters. Whoever made
        the link wrote it: every value in it is to be checked against the record.

    References
    ----------
    SMART App Launch 2.2.0,
    scopes-and-launch-context.html#launch-context-arrives-with-your-access_token;
    CDS Hooks 2.0, "Link" (``appContext``)
    """

    patient: str | None = field(default=None, repr=False)
    encounter: str | None = field(default=None, repr=False)
    fhir_context: tuple[FhirContextItem, ...] = ()
    fhir_user: str | None = field(default=None, repr=False)
    intent: str | None = None
    need_patient_banner: bool = True
    tenant: str | None = None
    smart_style_url: str | None = None
    user: FhirUser | None = field(default=None, repr=False)
    app_context: str | None = field(default=None, repr=False)

    @property
    def imaging_studies(self) -> tuple[str, ...]:
        """Ids of the ImagingStudies at the EHR's server that the launch is about."""
        found = (
            item.reference.partition("/")[2]
            for item in self.fhir_context
            if item.role == "launch"
            and item.reference is not None
            and item.reference.startswith("ImagingStudy/")
        )
        return tuple(dict.fromkeys(found))

    @property
    def imaging_study(self) -> str | None:
        """The only such ImagingStudy; None when there is none, or several to choose from."""
        studies = self.imaging_studies
        return studies[0] if len(studies) == 1 else None

    def require_patient(self) -> str:
        """Id of the patient.

        Raises
        ------
        LaunchRefused
            ``patient_missing``.
        """
        if self.patient is None:
            raise LaunchRefused(
                "patient_missing",
                "The record system did not say whose chart this is. Open the app from a chart.",
            )
        return self.patient


def read_context(
    parameters: Mapping[str, Any], fhir_base: str, *, user: FhirUser | None = None
) -> LaunchContext:
    """Read the launch context from a token response's parameters.

    Parameters
    ----------
    parameters : mapping
        ``TokenResponse.parameters``. Entries of a wrong kind count as absent.
    fhir_base : str
        Base address that relative and absolute references are compared with.
    user : FhirUser, optional
        From the verified id_token.

    Returns
    -------
    LaunchContext
    """
    style = _text(parameters.get("smart_style_url"), 2048)
    return LaunchContext(
        patient=logical_id(parameters.get("patient"), "Patient"),
        encounter=logical_id(parameters.get("encounter"), "Encounter"),
        fhir_context=read_fhir_context(parameters.get("fhirContext"), fhir_base),
        fhir_user=user.reference if user is not None else None,
        intent=_text(parameters.get("intent")),
        need_patient_banner=parameters.get("need_patient_banner") not in (False, "false"),
        tenant=_text(parameters.get("tenant")),
        smart_style_url=style if style is not None and _may_be_called(style) else None,
        user=user,
        app_context=_opaque(parameters.get("appContext")),
    )


def read_fhir_context(value: object, fhir_base: str) -> tuple[FhirContextItem, ...]:
    """Read ``fhirContext``; entries that name nothing are left out.

    References
    ----------
    SMART App Launch 2.2.0, scopes-and-launch-context.html#fhircontext-exp: no role: ``launch``
    """
    if not isinstance(value, list):
        return ()
    items = (_item(entry, fhir_base) for entry in value[:_MOST_ITEMS])
    return tuple(item for item in items if item is not None)


def _item(entry: object, fhir_base: str) -> FhirContextItem | None:
    if not isinstance(entry, dict):
        return None
    reference, kind = _reference(entry.get("reference"), fhir_base)
    identifier = _identifier(entry.get("identifier"))
    canonical = _text(entry.get("canonical"), 2048)
    if reference is None and identifier is None and canonical is None:
        return None
    role = _text(entry.get("role", "launch"))
    if role is None:
        return None  # a role that cannot be read must not become "launch"
    return FhirContextItem(reference, kind or _text(entry.get("type")), role, identifier, canonical)


def _reference(value: object, fhir_base: str) -> tuple[str | None, str | None]:
    text = _text(value, 2048)
    if text is None:
        return None, None
    base = fhir_base.rstrip("/") + "/"
    relative = text.removeprefix(base).partition("/_history/")[0]
    match = _RELATIVE.fullmatch(relative)
    if match is not None:
        return relative, match["type"]
    if not _may_be_called(text) or is_below(text, fhir_base):
        return None, None
    foreign = _RELATIVE.fullmatch("/".join(text.split("/")[-2:]))
    return text, foreign["type"] if foreign is not None else None


def _identifier(value: object) -> tuple[str | None, str] | None:
    if not isinstance(value, dict):
        return None
    text = _text(value.get("value"))
    return None if text is None else (_text(value.get("system")), text)


def logical_id(value: object, kind: str) -> str | None:
    """Read a logical id; None for what is none. Some servers send ``Patient/1`` for ``1``."""
    if not isinstance(value, str):
        return None
    text = value.removeprefix(f"{kind}/")
    return text if _ID.fullmatch(text) and text not in (".", "..") else None


def _may_be_called(address: str) -> bool:
    try:
        split_secure(address)
    except TransportError:
        return False
    return True


def _text(value: object, longest: int = _LONGEST_TEXT) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable():
        return value
    return None


def _opaque(value: object) -> str | None:
    """Read ``appContext``: JSON in it may be laid out in lines, so that any character passes."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_APP_CONTEXT else None
