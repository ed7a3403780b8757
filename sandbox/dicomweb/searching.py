"""Answers of a search over the index (QIDO-RS, PS3.18 section 10.6.3)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from sandbox.dicomweb.archive import Json
from sandbox.dicomweb.attributes import BY_LEVEL, HEADER, hex_tag
from sandbox.dicomweb.index import Entry, Index
from sandbox.dicomweb.matching import matches
from sandbox.dicomweb.query import Query

_ABOVE = {"study": (), "series": ("study",), "instance": ("study", "series")}


def search(
    index: Index,
    level: str,
    query: Query,
    *,
    studies: frozenset[str] | None,
    base: str,
    study_uid: str | None = None,
    series_uid: str | None = None,
) -> list[Json]:
    """Find studies, series or instances.

    Parameters
    ----------
    level : {"study", "series", "instance"}
        What to find.
    studies : frozenset of str or None
        The only studies that this caller may see; None when he may see all.
    base : str
        Address of the DICOMweb service, for Retrieve URL (0008,1190).
    study_uid, series_uid : str, optional
        From the request's path; they also decide which attributes of the levels above come along.

    Returns
    -------
    list of dict
        DICOM JSON, in a stable order, paged as the query says.
    """
    named = {"study"} if study_uid else set()
    named |= {"series"} if series_uid else set()
    above = [name for name in _ABOVE[level] if name not in named]
    wanted = _wanted(level, above, query)
    found = [
        _answer(header, wanted, level, base)
        for header in _headers(index, level, studies, study_uid, series_uid)
        if all(matches(header, keyword, value) for keyword, value in query.keys)
    ]
    return found[query.offset : query.offset + query.limit]


def _wanted(level: str, above: list[str], query: Query) -> set[str]:
    names = {name for one in [level, *above] for name in BY_LEVEL[one]}
    names |= {"StudyInstanceUID"} | ({"SeriesInstanceUID"} if level == "instance" else set())
    names |= query.include | {name for name, _ in query.keys}
    names |= set(HEADER) if query.include_all else set()
    return {hex_tag(name) for name in names | {"RetrieveURL", "InstanceAvailability"}}


def _headers(
    index: Index,
    level: str,
    studies: frozenset[str] | None,
    study_uid: str | None,
    series_uid: str | None,
) -> Iterator[Json]:
    allowed = (s for s in index.find(study_uid) if studies is None or s[0].study_uid in studies)
    for _, group in groupby(allowed, key=lambda series: series[0].study_uid):
        series = list(group)
        study = _study_facts(series)
        if level == "study":
            yield series[0][0].header | study
            continue
        for one in (s for s in series if series_uid in (None, s[0].series_uid)):
            facts = study | _computed("NumberOfSeriesRelatedInstances", "IS", [len(one)])
            yield from (e.header | facts for e in (one if level == "instance" else one[:1]))


def _study_facts(series: list[list[Entry]]) -> Json:
    modalities = sorted({one[0].text("00080060") for one in series} - {""})
    instances = sum(len(one) for one in series)
    return (
        _computed("ModalitiesInStudy", "CS", modalities)
        | _computed("NumberOfStudyRelatedSeries", "IS", [len(series)])
        | _computed("NumberOfStudyRelatedInstances", "IS", [instances])
        | _computed("InstanceAvailability", "CS", ["ONLINE"])
    )


def _computed(keyword: str, vr: str, values: list[str] | list[int]) -> Json:
    return {hex_tag(keyword): {"vr": vr, "Value": values}}


def _answer(header: Json, wanted: set[str], level: str, base: str) -> Json:
    answer = {tag: element for tag, element in header.items() if tag in wanted}
    uids = [header[hex_tag("StudyInstanceUID")]["Value"][0]]
    if level != "study":
        uids += ["series", header[hex_tag("SeriesInstanceUID")]["Value"][0]]
    if level == "instance":
        uids += ["instances", header[hex_tag("SOPInstanceUID")]["Value"][0]]
    url = f"{base}/studies/{'/'.join(uids)}"
    return dict(sorted((answer | _computed("RetrieveURL", "UR", [url])).items()))
