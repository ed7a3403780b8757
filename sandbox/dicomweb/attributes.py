"""Which attributes each level of a search answers with and can be asked for (PS3.18 section 10.6).

An instance's header is kept as DICOM JSON (PS3.18 annex F) of exactly these attributes.
"""

from __future__ import annotations

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.tag import Tag

from sandbox.dicomweb.errors import BadQuery

_STUDY = """
    StudyDate StudyTime AccessionNumber ModalitiesInStudy ReferringPhysicianName
    TimezoneOffsetFromUTC StudyDescription PatientName PatientID IssuerOfPatientID
    PatientBirthDate PatientSex StudyInstanceUID StudyID NumberOfStudyRelatedSeries
    NumberOfStudyRelatedInstances
"""
_SERIES = """
    Modality TimezoneOffsetFromUTC SeriesDescription SeriesInstanceUID SeriesNumber SeriesDate
    SeriesTime BodyPartExamined Laterality PerformedProcedureStepStartDate
    PerformedProcedureStepStartTime NumberOfSeriesRelatedInstances
"""
_INSTANCE = """
    SOPClassUID SOPInstanceUID TimezoneOffsetFromUTC InstanceNumber AcquisitionDate
    AcquisitionTime ContentDate ContentTime ImageType ViewPosition Rows Columns BitsAllocated
    NumberOfFrames
"""
LEVELS = ("study", "series", "instance")
BY_LEVEL = {
    "study": tuple(_STUDY.split()),
    "series": tuple(_SERIES.split()),
    "instance": tuple(_INSTANCE.split()),
}
# Made up by the archive itself, so never part of an instance's header.
COMPUTED = frozenset(
    {
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
        "NumberOfSeriesRelatedInstances",
        "InstanceAvailability",
        "RetrieveURL",
    }
)
HEADER = tuple(dict.fromkeys(name for level in LEVELS for name in BY_LEVEL[level]))


def hex_tag(keyword: str) -> str:
    """Eight hexadecimal digits of a keyword, as DICOM JSON writes them."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise BadQuery(f"An attribute must be a DICOM keyword or tag; got {keyword[:40]!r}")
    return f"{tag:08X}"


def keyword_of(attribute: str) -> str:
    """Keyword of an attribute given as keyword or as eight hexadecimal digits.

    Raises
    ------
    BadQuery
        If the dictionary does not know it, or it is a path into a sequence.
    """
    if "." in attribute:
        raise BadQuery("Sequence attributes cannot be searched here; got a path with a dot")
    if len(attribute) == 8 and all(c in "0123456789abcdefABCDEF" for c in attribute):
        keyword = keyword_for_tag(Tag(int(attribute, 16)))
        if not keyword:
            raise BadQuery(f"An attribute must be in the DICOM dictionary; got {attribute!r}")
        return keyword
    hex_tag(attribute)
    return attribute


def vr_of(keyword: str) -> str:
    """Value representation of a keyword of the DICOM dictionary."""
    return dictionary_VR(hex_tag(keyword))
