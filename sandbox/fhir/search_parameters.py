"""Search parameters that the hospital answers (FHIR R4, "Search Parameter Registry").

One row a parameter; a parameter that is not here is refused, as strict servers do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sandbox.errors import FhirProblem

Kind = Literal["token", "reference", "string", "date"]


@dataclass(frozen=True)
class SearchParameter:
    """One search parameter.

    Attributes
    ----------
    name : str
    kind : {"token", "reference", "string", "date"}
    paths : tuple of str
        Elements that are indexed, dotted.
    targets : tuple of str
        Types that a reference may point at.
    """

    name: str
    kind: Kind
    paths: tuple[str, ...]
    targets: tuple[str, ...] = ()


_PERSON = (
    SearchParameter("name", "string", ("name",)),
    SearchParameter("family", "string", ("name.family",)),
    SearchParameter("given", "string", ("name.given",)),
)
_SUBJECTS = ("Patient", "Group", "Device", "Location")


def _token(name: str, *paths: str) -> SearchParameter:
    return SearchParameter(name, "token", paths or (name,))


def _date(name: str, *paths: str) -> SearchParameter:
    return SearchParameter(name, "date", paths or (name,))


def _reference(name: str, path: str, *targets: str) -> SearchParameter:
    return SearchParameter(name, "reference", (path,), targets)


def _subject(path: str = "subject") -> tuple[SearchParameter, ...]:
    return (
        _reference("patient", path, "Patient"),
        _reference("subject", path, *_SUBJECTS),
        _reference("encounter", "encounter", "Encounter"),
    )


_COMMON = (
    _token("_id", "id"),
    _date("_lastUpdated", "meta.lastUpdated"),
    _token("_tag", "meta.tag"),
    _token("_security", "meta.security"),
    _token("identifier"),
)

_TABLE: dict[str, tuple[SearchParameter, ...]] = {
    "Condition": (*_subject(), _token("code"), _token("clinical-status", "clinicalStatus")),
    "Device": (_reference("patient", "patient", "Patient"), _token("type"), _token("status")),
    "DiagnosticReport": (
        *_subject(),
        _token("status"),
        _token("category"),
        _token("code"),
        _date("date", "effectiveDateTime", "effectivePeriod"),
        _date("issued"),
        _reference("based-on", "basedOn", "ServiceRequest"),
        _reference("result", "result", "Observation"),
        _reference("results-interpreter", "resultsInterpreter", "Practitioner"),
        _reference("performer", "performer", "Practitioner", "Organization"),
    ),
    "Encounter": (*_subject()[:2], _token("status"), _token("class"), _date("date", "period")),
    "Endpoint": (_token("status"), _token("connection-type", "connectionType")),
    "ImagingStudy": (
        *_subject(),
        _token("status"),
        _date("started"),
        _token("modality", "modality", "series.modality"),
        _token("bodysite", "series.bodySite"),
        SearchParameter("series", "token", ("series.uid",)),
        SearchParameter("instance", "token", ("series.instance.uid",)),
        _reference("basedon", "basedOn", "ServiceRequest"),
        _reference("endpoint", "endpoint", "Endpoint"),
    ),
    "Location": (SearchParameter("name", "string", ("name", "alias")), _token("status")),
    "Observation": (
        *_subject(),
        _token("status"),
        _token("category"),
        _token("code"),
        _date("date", "effectiveDateTime", "effectivePeriod", "effectiveInstant"),
        _reference("based-on", "basedOn", "ServiceRequest"),
        _reference("derived-from", "derivedFrom", "ImagingStudy", "Observation"),
        _reference("device", "device", "Device"),
    ),
    "Organization": (SearchParameter("name", "string", ("name", "alias")),),
    "Patient": (*_PERSON, _date("birthdate", "birthDate"), _token("gender")),
    "Practitioner": (*_PERSON, _token("active")),
    "Provenance": (
        _reference("patient", "target", "Patient"),
        _reference("target", "target"),
        _reference("agent", "agent.who", "Practitioner", "Device", "Organization"),
        _date("recorded"),
    ),
    "ServiceRequest": (*_subject(), _token("status"), _token("code"), _date("authored")),
    "Task": (
        _reference("patient", "for", "Patient"),
        _reference("subject", "for", *_SUBJECTS),
        _reference("encounter", "encounter", "Encounter"),
        _token("status"),
        _token("code"),
        _token("priority"),
        _reference("focus", "focus"),
        _reference("based-on", "basedOn"),
        _reference("owner", "owner", "Practitioner", "Organization", "Device"),
        _date("authored-on", "authoredOn"),
        _date("modified", "lastModified"),
    ),
}

PARAMETERS: dict[str, dict[str, SearchParameter]] = {
    kind: {parameter.name: parameter for parameter in (*_COMMON, *own)}
    for kind, own in _TABLE.items()
}
RESULT_PARAMETERS = frozenset({"_count", "_sort", "_include", "_page"})
_TEXT = frozenset({"exact", "contains"})
_MODIFIERS: dict[str, frozenset[str]] = {"string": _TEXT, "token": frozenset({"not"})}


def parameters_of(kind: str) -> dict[str, SearchParameter]:
    """Search parameters of a type.

    Raises
    ------
    FhirProblem
        404 when the hospital keeps no such type.
    """
    if kind not in PARAMETERS:
        raise FhirProblem(404, "not-supported", "this resource type is not kept here")
    return PARAMETERS[kind]


def split_name(kind: str, name: str) -> tuple[SearchParameter, str]:
    """Split ``code:modifier`` and look the parameter up.

    Raises
    ------
    FhirProblem
        400 for a parameter or modifier that is not supported.
    """
    plain, _, modifier = name.partition(":")
    parameter = parameters_of(kind).get(plain)
    if parameter is None:
        known = ", ".join(sorted(PARAMETERS[kind]))
        raise FhirProblem(400, "not-supported", f"unknown search parameter; {kind} knows: {known}")
    allowed = _MODIFIERS.get(parameter.kind, frozenset()) | {"missing"}
    if modifier and modifier not in (*allowed, *parameter.targets):
        raise FhirProblem(400, "not-supported", f"{plain} does not support this modifier")
    return parameter, modifier


def check_names(kind: str, names: Iterable[str]) -> None:
    """Refuse what is not supported, before anything is searched.

    Raises
    ------
    FhirProblem
        400 for an unknown parameter or modifier, 404 for an unknown type.
    """
    parameters_of(kind)
    for name in names:
        if name not in RESULT_PARAMETERS:
            split_name(kind, name)


def include_parameter(kind: str, text: str) -> SearchParameter:
    """Read one ``_include`` value, ``Type:parameter`` or ``Type:parameter:Target``.

    Raises
    ------
    FhirProblem
        400 unless it names a reference parameter of the searched type.
    """
    parts = text.split(":")
    parameter = PARAMETERS.get(kind, {}).get(parts[1]) if len(parts) in (2, 3) else None
    targets = () if parameter is None else parameter.targets
    wrong_target = len(parts) == 3 and parts[2] not in targets
    if parameter is None or parts[0] != kind or parameter.kind != "reference" or wrong_target:
        text = f"_include must name a reference parameter of {kind}, as {kind}:parameter"
        raise FhirProblem(400, "not-supported", text)
    return SearchParameter(
        parameter.name, "reference", parameter.paths, tuple(parts[2:]) or targets
    )
