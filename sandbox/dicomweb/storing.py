"""The answer to a store request (STOW-RS, PS3.18 section 10.5.3)."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.dicomweb.archive import Json, StoreOutcome


def store_answer(outcomes: Sequence[StoreOutcome], base: str) -> tuple[Json, int]:
    """DICOM JSON and HTTP status of a store request.

    Parameters
    ----------
    outcomes : sequence of StoreOutcome
        One an instance.
    base : str
        Address of the DICOMweb service.

    Returns
    -------
    tuple of (dict, int)
        200 when all are stored, 202 when some are, 409 when none is.
    """
    stored = [one for one in outcomes if one.instance is not None]
    failed = [one for one in outcomes if one.refused is not None]
    answer: Json = {}
    studies = {one.instance.study_uid for one in stored if one.instance is not None}
    if len(studies) == 1:
        answer["00081190"] = {"vr": "UR", "Value": [f"{base}/studies/{studies.pop()}"]}
    if failed:
        answer["00081198"] = {"vr": "SQ", "Value": [_failed(one) for one in failed]}
    if stored:
        answer["00081199"] = {"vr": "SQ", "Value": [_stored(one, base) for one in stored]}
    return answer, 409 if not stored else 202 if failed else 200


def _reference(one: StoreOutcome) -> Json:
    # Type 1 attributes, but an unreadable instance has no UIDs to give.
    pairs = (("00081150", one.sop_class_uid), ("00081155", one.sop_uid))
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in pairs if uid}


def _failed(one: StoreOutcome) -> Json:
    reason = one.refused.reason if one.refused else 0x0110
    return _reference(one) | {"00081197": {"vr": "US", "Value": [reason]}}


def _stored(one: StoreOutcome, base: str) -> Json:
    i = one.instance
    if i is None:
        return _reference(one)
    url = f"{base}/studies/{i.study_uid}/series/{i.series_uid}/instances/{i.sop_uid}"
    return _reference(one) | {"00081190": {"vr": "UR", "Value": [url]}}
