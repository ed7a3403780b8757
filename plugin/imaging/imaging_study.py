"""One ImagingStudy as a reading sees it: its images, and where they may be fetched from. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from plugin.addresses import is_loopback, origin_of
from plugin.imaging.identity import local_id

WADO_RS = "dicom-wado-rs"
# Argonaut imaging: false means that the address itself is the secret, so no token goes there.
TOKEN_FLAG = "requires-access-token"  # noqa: S105 (the end of an extension's address)

WHY_NOT = {
    "withdrawn": "The study was cancelled or entered in error.",
    "no_study_uid": "The study carries no DICOM study number.",
    "no_series": "The study has no images yet.",
    "no_endpoint": "The record does not say in which archive the images lie.",
    "endpoint_kind": "The archive of these images cannot be read over DICOMweb (WADO-RS).",
    "endpoint_refused": "The images lie in an archive that is not registered with Wetread.",
    "modality": "No installed model reads images of this kind ({modalities}).",
    "no_model": "The reading service has not started yet.",
}


@dataclass(frozen=True)
class Archive:
    """A DICOMweb service of a registered origin.

    Attributes
    ----------
    url : str
        Base of the service, without a slash at the end.
    wants_token : bool
        False: the address itself is the secret; it is never logged and gets no token.
    """

    url: str
    wants_token: bool = True

    def __repr__(self) -> str:
        """Show the origin only: the path may be a secret."""
        return f"Archive({origin_of(self.url)!r})"


@dataclass(frozen=True)
class Series:
    """One series of a study; `instances` are SOP Instance UIDs, empty when not listed."""

    uid: str
    modality: str | None
    body_part: str | None
    instances: tuple[str, ...]
    count: int
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """One ImagingStudy, as far as a reading needs it.

    Attributes
    ----------
    uid : str or None
        Study Instance UID without `urn:oid:`.
    archive : Archive or None
        Where the images are fetched from; None: see `why_not`.
    why_not : str or None
        Key of `WHY_NOT` if the study cannot be read.
    resource : mapping
        The ImagingStudy as the server gave it.
    """

    id: str
    uid: str | None
    subject: Mapping[str, Any]
    title: str
    started: str | None
    modalities: tuple[str, ...]
    body_part: str | None
    accession: str | None
    series: tuple[Series, ...]
    images: int
    archive: Archive | None
    why_not: str | None
    resource: Mapping[str, Any]

    @property
    def version(self) -> str:
        """What changes whenever the server's copy of the study changes."""
        meta = self.resource.get("meta") or {}
        return f"{meta.get('versionId')}/{meta.get('lastUpdated')}"

    def why_not_sentence(self) -> str | None:
        """Say why the study cannot be read."""
        if self.why_not is None:
            return None
        return WHY_NOT[self.why_not].format(modalities=", ".join(self.modalities) or "unknown")


@dataclass(frozen=True)
class ArchiveRules:
    """Where images may be fetched from: the origins registered for the EHR, its own included."""

    fhir_base: str
    origins: tuple[str, ...]

    def allows(self, address: str) -> bool:
        """Tell whether a token may go to this address: registered origin, https outside loopback.

        Anything else found in a resource is refused; a request to it could reach into the
        hospital's network on a stranger's behalf.
        """
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.username is not None or parts.query or parts.fragment:
            return False
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
            return False
        return origin_of(address) in (*self.origins, origin_of(self.fhir_base))


def read_study_resource(
    resource: Mapping[str, Any],
    endpoints: Mapping[str, Mapping[str, Any]],
    rules: ArchiveRules,
    modalities: frozenset[str],
) -> Study:
    """Read an ImagingStudy; pure.

    Parameters
    ----------
    endpoints : mapping
        Endpoint id to resource, as far as the server gave them.
    """
    series = tuple(_read_series(entry) for entry in resource.get("series", ()))
    study = Study(
        id=str(resource.get("id", "")),
        uid=study_uid(resource),
        subject=resource.get("subject") or {},
        title=_title(resource),
        started=resource.get("started"),
        modalities=_modalities(resource, series),
        body_part=next((entry.body_part for entry in series if entry.body_part), None),
        accession=_accession(resource),
        series=series,
        images=resource.get("numberOfInstances") or sum(entry.count for entry in series),
        archive=None,
        why_not=None,
        resource=resource,
    )
    archive, trouble = _choose_archive(study, endpoints, rules)
    return replace(study, archive=archive, why_not=_why_not(study, modalities) or trouble)


def readable_series(study: Study, modalities: Iterable[str]) -> tuple[Series, ...]:
    """Give the series that hold images which an installed model reads."""
    kinds = frozenset(modalities)
    return tuple(s for s in study.series if s.modality in kinds and s.uid)


def images_mark(study: Study, *, versioned: bool = True) -> str:
    """Give what changes when the study gets other images: a reading belongs to one such state.

    Where the record does not list them all, an image could be replaced unnoticed: there every
    version counts as other images, unless `versioned` is false: a search may leave the version out
    that a read gives. `lastUpdated` never counts: some servers stamp each answer with it.
    """
    listed = sorted(uid for series in study.series for uid in series.instances)
    unlisted = sorted((s.uid, s.count) for s in study.series if not s.instances)
    state: tuple[object, ...] = (study.uid, study.images, listed, unlisted)
    if versioned and (unlisted or len(listed) < study.images):
        state = (*state, (study.resource.get("meta") or {}).get("versionId"))
    return hashlib.sha256(repr(state).encode()).hexdigest()[:32]


def endpoint_references(resource: Mapping[str, Any]) -> list[str]:
    """Give the references to Endpoints: those of the study first, then those of its series."""
    holders = [resource, *resource.get("series", ())]
    entries = [entry for holder in holders for entry in holder.get("endpoint", ())]
    references = [entry["reference"] for entry in entries if entry.get("reference")]
    return list(dict.fromkeys(references))


def _choose_archive(
    study: Study, endpoints: Mapping[str, Mapping[str, Any]], rules: ArchiveRules
) -> tuple[Archive | None, str | None]:
    """Take the first Endpoint that is active, speaks WADO-RS and lies at a registered origin."""
    contained = {
        f"#{entry.get('id')}": entry
        for entry in study.resource.get("contained", ())
        if entry.get("resourceType") == "Endpoint"
    }
    found = []
    for reference in endpoint_references(study.resource):
        identity = local_id(reference, "Endpoint", rules.fhir_base)
        entry = contained.get(reference) or endpoints.get(identity or "")
        if entry is not None and entry.get("status") in (None, "active", "test"):
            found.append(entry)
    wado = [entry for entry in found if (entry.get("connectionType") or {}).get("code") == WADO_RS]
    allowed = [entry for entry in wado if rules.allows(str(entry.get("address", "")))]
    if allowed:
        return Archive(str(allowed[0]["address"]).rstrip("/"), _wants_token(allowed[0])), None
    return None, "endpoint_refused" if wado else "endpoint_kind" if found else "no_endpoint"


def _wants_token(endpoint: Mapping[str, Any]) -> bool:
    flags = [e for e in endpoint.get("extension", ()) if str(e.get("url")).endswith(TOKEN_FLAG)]
    return all(flag.get("valueBoolean") is not False for flag in flags)


def _why_not(study: Study, modalities: frozenset[str]) -> str | None:
    if study.resource.get("status") in ("cancelled", "entered-in-error"):
        return "withdrawn"
    if study.uid is None:
        return "no_study_uid"
    if not study.series or not study.images:
        return "no_series"
    if not modalities:
        return "no_model"
    return None if readable_series(study, modalities) else "modality"


def _read_series(entry: Mapping[str, Any]) -> Series:
    uids = tuple(_oid(str(i["uid"])) for i in entry.get("instance", ()) if i.get("uid"))
    site = entry.get("bodySite") or {}
    return Series(
        uid=_oid(str(entry.get("uid", ""))),
        modality=(entry.get("modality") or {}).get("code"),
        body_part=site.get("display") or site.get("code"),
        instances=uids,
        count=entry.get("numberOfInstances") or len(uids),
        endpoints=tuple(e["reference"] for e in entry.get("endpoint", ()) if e.get("reference")),
    )


def _oid(value: str) -> str:
    return value.removeprefix("urn:oid:")


def study_uid(resource: Mapping[str, Any]) -> str | None:
    """Give the Study Instance UID of an ImagingStudy, without `urn:oid:`."""
    for entry in resource.get("identifier", ()):
        value = str(entry.get("value") or "")
        if entry.get("system") == "urn:dicom:uid" or value.startswith("urn:oid:"):
            return _oid(value) or None
    return None


def accession_identifier(resource: Mapping[str, Any]) -> dict[str, Any] | None:
    """Give the study's accession number as an Identifier (v2-0203 ACSN)."""
    for entry in resource.get("identifier", ()):
        codes = [c.get("code") for c in (entry.get("type") or {}).get("coding", ())]
        if "ACSN" in codes and entry.get("value"):
            return dict(entry)
    return None


def _accession(resource: Mapping[str, Any]) -> str | None:
    entry = accession_identifier(resource)
    return str(entry["value"]) if entry else None


def _modalities(resource: Mapping[str, Any], series: Sequence[Series]) -> tuple[str, ...]:
    listed = [entry.get("code") for entry in resource.get("modality", ())]
    listed += [entry.modality for entry in series]
    return tuple(dict.fromkeys(code for code in listed if code))


def _title(resource: Mapping[str, Any]) -> str:
    procedures = [p.get("text") or _display(p) for p in resource.get("procedureCode", ())]
    candidates = [resource.get("description"), *procedures]
    return next((text for text in candidates if text), "Imaging study")


def _display(concept: Mapping[str, Any]) -> str | None:
    return next((c["display"] for c in concept.get("coding", ()) if c.get("display")), None)


def study_json(study: Study) -> dict[str, Any]:
    """Give a study for the page."""
    return {
        "id": study.id,
        "uid": study.uid,
        "title": study.title,
        "started": study.started,
        "modalities": list(study.modalities),
        "body_part": study.body_part,
        "accession": study.accession,
        "series": len(study.series),
        "instances": study.images,
    }
