"""Which studies a report is of, and whether it could be of others too. Pure.

"No report yet" may be said of a study only if every report is of something else, for certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from plugin.imaging.identity import local_id
from plugin.imaging.imaging_study import accession_identifier, study_uid
from plugin.reporting.fhir_codes import STUDY_KEY

Resource = Mapping[str, Any]

DICOM_UID = "urn:dicom:uid"
STUDY_UID = re.compile(r"[0-9.]{1,64}")
# HL7 table 0074, diagnostic service sections; the first address is that of older records.
SECTIONS = ("http://hl7.org/fhir/v2/0074", "http://terminology.hl7.org/CodeSystem/v2-0074")
# Laboratories, and the electrocardiogram: what they report on is no image.
NO_IMAGE_SECTIONS = frozenset(
    {
        "BG", "BLB", "CG", "CH", "CP", "EC", "GE", "HM", "IMM", "LAB", "MB", "MCB", "MYC", "OSL",
        "PAR", "PAT", "SP", "SR", "TX", "VR",
    }
)  # fmt: skip
LOINC = "http://loinc.org"
# US Core's other kinds of note: cardiology, pathology; and the clinical notes of visits.
NO_IMAGE_NOTES = frozenset(
    {"LP29708-2", "LP7839-6", "11488-4", "11506-3", "18842-5", "34117-2", "51847-2"}
)
RADIOLOGY = "LP29684-5"


@dataclass(frozen=True)
class Link:
    """What a report says of its studies.

    Attributes
    ----------
    studies : frozenset of str
        Study Instance UIDs, without `urn:oid:`.
    sure : bool
        It is of no other study.
    """

    studies: frozenset[str]
    sure: bool


class KnownStudies:
    """The studies of a chart, found by whatever a report may call them.

    Parameters
    ----------
    studies : iterable of ImagingStudy resources
        Two with one UID are one study.
    """

    def __init__(self, studies: Iterable[Resource], fhir_base: str) -> None:
        self._base = fhir_base.rstrip("/") + "/"
        self._by_name: dict[tuple[object, ...], set[str]] = {}
        for study in studies:
            for name in self._names(study):
                self._by_name.setdefault(name, set()).add(_key(study))

    def link(self, report: Resource) -> Link:
        """Find the studies that a report is of.

        Many records leave `imagingStudy` out; then the order or the accession number tells. Where
        it is there and can be followed, it alone counts: one order may have led to several studies.
        """
        named = [self._named(entry) for entry in report.get("imagingStudy", ())]
        found = frozenset().union(*named)
        if named and all(named):
            return Link(found, sure=True)
        found |= self._otherwise(report)
        # What names a study that cannot be found may name any of them.
        return Link(found, sure=not named and bool(found or _is_of_no_image(report)))

    def _names(self, study: Resource) -> Iterator[tuple[object, ...]]:
        if study.get("id"):
            yield "id", study["id"]
        number = accession_identifier(study)
        if number is not None:
            yield _number(number)
        yield from self._orders(study)

    def _named(self, entry: Resource) -> set[str]:
        """Give the studies that one entry of `imagingStudy` names; none where nobody can tell."""
        identifier = entry.get("identifier", {})
        local = local_id(entry.get("reference"), "ImagingStudy", self._base)
        found = self._find(_number(identifier)) | self._find(("id", local))
        uid = identifier.get("value", "").removeprefix("urn:oid:")
        is_uid = identifier.get("system") == DICOM_UID and STUDY_UID.fullmatch(uid)
        return found | ({uid} if is_uid else set())

    def _otherwise(self, report: Resource) -> set[str]:
        identifiers = report.get("identifier", ())
        names = [*map(_number, identifiers), *self._orders(report)]
        found = {uid for name in names for uid in self._find(name)}
        ours = (entry.get("value", "") for entry in identifiers if entry.get("system") == STUDY_KEY)
        uids = (value.removeprefix("urn:oid:") for value in ours)
        return found | {uid for uid in uids if STUDY_UID.fullmatch(uid)}

    def _find(self, name: tuple[object, ...]) -> set[str]:
        return self._by_name.get(name, set())

    def _orders(self, resource: Resource) -> Iterator[tuple[object, ...]]:
        for entry in resource.get("basedOn", ()):
            if entry.get("reference"):
                yield "order", entry["reference"].removeprefix(self._base)


def _key(study: Resource) -> str:
    return study_uid(study) or f"ImagingStudy/{study.get('id')}"


def _number(identifier: Resource) -> tuple[object, ...]:
    return "number", identifier.get("system"), identifier.get("value")


def _is_of_no_image(report: Resource) -> bool:
    """Tell whether the record itself files the report under something that takes no images.

    A category of the hospital's own, beside one that is known, says nothing against it; one that is
    known and may mean images does.
    """
    codings = [code for kind in report.get("category", ()) for code in kind.get("coding", ())]
    sections = {code.get("code") for code in codings if code.get("system") in SECTIONS}
    notes = {code.get("code") for code in codings if code.get("system") == LOINC}
    if RADIOLOGY in notes or not sections <= NO_IMAGE_SECTIONS:
        return False
    return bool(sections or notes & NO_IMAGE_NOTES)
