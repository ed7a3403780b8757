"""An ImagingStudy as the viewer shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.dicomweb.archive import InstanceSummary, Json
from sandbox.dicomweb.record import study_uid_of

_MODALITIES = {
    "CR": "X-ray",
    "DX": "X-ray",
    "RX": "X-ray",
    "CT": "CT",
    "MR": "MRI",
    "US": "Ultrasound",
    "NM": "Nuclear medicine",
    "OT": "Picture",
}


@dataclass(frozen=True)
class PictureView:
    """One instance with the addresses of its pictures."""

    address: str
    label: str
    rows: int | None
    columns: int | None


@dataclass(frozen=True)
class StudyView:
    """One study, ready to be shown."""

    id: str
    uid: str
    title: str
    kind: str
    modalities: str
    started: str
    accession: str
    body_parts: str
    counts: str
    pictures: tuple[PictureView, ...]

    @property
    def thumbnail(self) -> str:
        """Address of the first instance's picture, empty when there is none."""
        return self.pictures[0].address if self.pictures else ""


def view_study(study: Json, instances: Sequence[InstanceSummary]) -> StudyView:
    """Show an ImagingStudy with the instances that the archive holds of it."""
    codes = [str(m.get("code", "")) for m in study.get("modality", [])]
    codes = codes or sorted({i.modality for i in instances if i.modality})
    kind = next((_MODALITIES[code] for code in codes if code in _MODALITIES), "Images")
    return StudyView(
        id=str(study.get("id", "")),
        uid=study_uid_of(study),
        title=str(study.get("description") or kind),
        kind=kind,
        modalities=", ".join(codes),
        started=when(str(study.get("started", ""))) or "date not stated",
        accession=_accession(study),
        body_parts=", ".join(_body_parts(study)),
        counts=_counts(instances),
        pictures=tuple(_picture(one) for one in instances),
    )


def when(moment: str) -> str:
    """A FHIR date or dateTime for people: ``2026-03-09 08:15``."""
    day, _, time = moment.partition("T")
    return f"{day} {time[:5]}".strip()


def _accession(study: Json) -> str:
    for identifier in study.get("identifier", []):
        kinds = [c.get("code") for c in identifier.get("type", {}).get("coding", [])]
        if "ACSN" in kinds:
            return str(identifier.get("value", ""))
    return ""


def _body_parts(study: Json) -> list[str]:
    sites = (series.get("bodySite", {}) for series in study.get("series", []))
    names = (str(site.get("display") or site.get("code") or "") for site in sites)
    return sorted({name for name in names if name})


def _counts(instances: Sequence[InstanceSummary]) -> str:
    if not instances:
        return "no images"
    series, images = len({one.series_uid for one in instances}), len(instances)
    words = f"{images} image{'' if images == 1 else 's'}"
    return words if series == 1 else f"{words} in {series} series"


def _picture(one: InstanceSummary) -> PictureView:
    parts = (one.modality, one.body_part.capitalize(), one.view)
    frames = f"{one.frames} frames" if one.frames > 1 else ""
    return PictureView(
        address=f"/viewer/pictures/{one.study_uid}/{one.series_uid}/{one.sop_uid}.jpg",
        label=" ".join(part for part in (*parts, frames) if part),
        rows=one.rows,
        columns=one.columns,
    )
