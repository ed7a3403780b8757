"""One ImagingStudy as a reading sees it: its images, and where they may be fetched from. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from plugin.imaging.endpoints import (
    Archive,
    ArchiveRules,
    choose_archive,
    contained_endpoints,
    references_of,
)

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

# The reasons why no archive can be asked, the most telling first.
NO_ARCHIVE = ("endpoint_refused", "endpoint_kind", "no_endpoint")


@dataclass(frozen=True)
class Series:
    """One series of a study.

    Attributes
    ----------
    instances : tuple of str
        SOP Instance UIDs; empty when not listed.
    archive : Archive or None
        Where its images lie; None: see `why_not`.
    """

    uid: str
    modality: str | None
    body_part: str | None
    instances: tuple[str, ...]
    count: int
    endpoints: tuple[str, ...] = ()
    archive: Archive | None = None
    why_not: str | None = None


@dataclass(frozen=True)
class Study:
    """One ImagingStudy, as far as a reading needs it.

    Attributes
    ----------
    uid : str or None
        Study Instance UID without `urn:oid:`.
    archive : Archive or None
        Where the images lie, unless a series says otherwise; None: see `why_not`.
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
    study, trouble = _with_archives(study, endpoints, rules)
    if not trouble:
        unreachable = (s.why_not for s in readable_series(study, modalities) if s.why_not)
        trouble = next(unreachable, None)
    return replace(study, why_not=_why_not(study, modalities) or trouble)


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


def _with_archives(
    study: Study, endpoints: Mapping[str, Mapping[str, Any]], rules: ArchiveRules
) -> tuple[Study, str | None]:
    """Fill in where the images lie; also gives why none can be fetched.

    An Endpoint of a series goes before the study's of the same kind (ImagingStudy.series.endpoint).
    """
    contained = contained_endpoints(study.resource)
    choose = partial(choose_archive, contained=contained, endpoints=endpoints, rules=rules)
    own = [choose(one.endpoints) for one in study.series]
    choices = (choose(references_of(study.resource)), *own)
    # Where the study names none, the archive of one series is the best guess for the others.
    whole = next((one for one in choices if one.archive), None)
    if whole is None:
        reasons = {one.why_not for one in choices}
        return study, next(why for why in NO_ARCHIVE if why in reasons)
    series = tuple(
        replace(one, archive=choice.archive, why_not=choice.why_not)
        if choice.why_not in (None, "endpoint_refused")
        else replace(one, archive=whole.archive)
        for one, choice in zip(study.series, own, strict=True)
    )
    return replace(study, series=series, archive=whole.archive), None


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
        endpoints=references_of(entry),
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
