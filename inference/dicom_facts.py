"""What a DICOM header says about patient, study and acquisition, as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from inference.images import DicomFacts
from inference.patient_age import age_from_text, age_on, youngest
from inference.quiet_parser import quiet_parser

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_MAX_TEXT = 256
_DATE_KEYWORDS = ("AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate")
_TIME_KEYWORDS = ("AcquisitionTime", "ContentTime", "SeriesTime", "StudyTime")


def facts_of(dataset: Dataset) -> DicomFacts:
    """Collect the facts; a value that cannot be read counts as absent."""
    with quiet_parser():
        acquired_date, acquired_time = _acquired(dataset)
        birth = _iso(_date(_text(dataset, "PatientBirthDate")))
        studied = _iso(_date(_text(dataset, "StudyDate")))
        taken = studied or _iso(acquired_date)
        stated = age_from_text(_text(dataset, "PatientAge"))
        age, in_doubt = youngest(stated, age_on(birth, taken))
        return DicomFacts(
            **_as_written(dataset),
            transfer_syntax_uid=_text(getattr(dataset, "file_meta", {}), "TransferSyntaxUID"),
            patient_birth_date=birth,
            patient_age_years=age,
            patient_age_in_doubt=in_doubt,
            view_position=_view(dataset),
            body_part=_body_part(dataset),
            patient_orientation=_orientation(dataset),
            study_date=studied,
            acquired=_with_zone(dataset, acquired_date, acquired_time),
            acquired_date=_iso(acquired_date),
            acquired_time=acquired_time,
        )


# What decides whose image this is: a character changed here could turn one patient into another.
_EXACT = {
    "sop_instance_uid": "SOPInstanceUID",
    "study_instance_uid": "StudyInstanceUID",
    "series_instance_uid": "SeriesInstanceUID",
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
}
_PLAIN = {
    "sop_class_uid": "SOPClassUID",
    "accession_number": "AccessionNumber",
    "study_description": "StudyDescription",
    "series_description": "SeriesDescription",
    "manufacturer": "Manufacturer",
    "manufacturer_model": "ManufacturerModelName",
}
_UPPER = {
    "patient_sex": "PatientSex",
    "modality": "Modality",
    "laterality": "ImageLaterality",
    "photometric_interpretation": "PhotometricInterpretation",
    "presentation_intent": "PresentationIntentType",
}
_INTEGERS = {
    "series_number": "SeriesNumber",
    "instance_number": "InstanceNumber",
    "rows": "Rows",
    "columns": "Columns",
    "frames": "NumberOfFrames",
}


def _as_written(dataset: Dataset) -> dict[str, Any]:
    """Facts that need no thought: field of `DicomFacts` -> value."""
    facts: dict[str, Any] = {f: _exact(dataset, keyword) for f, keyword in _EXACT.items()}
    facts |= {f: _text(dataset, keyword) for f, keyword in _PLAIN.items()}
    facts |= {f: _upper(_text(dataset, keyword)) for f, keyword in _UPPER.items()}
    facts |= {f: _integer(dataset, keyword) for f, keyword in _INTEGERS.items()}
    return facts


def _value(dataset: Any, keyword: str) -> Any:
    """Return the value, or None where pydicom cannot make sense of the bytes."""
    try:
        return dataset.get(keyword)
    except Exception:  # a malformed element of any kind is an absent one
        return None


def _text(dataset: Any, keyword: str) -> str | None:
    return _clean(_value(dataset, keyword))


def _exact(dataset: Dataset, keyword: str) -> str | None:
    """Return the value as written, without its padding; several values keep their backslash.

    References
    ----------
    DICOM PS3.5 6.2 (LO: leading and trailing spaces are padding; UI: a trailing NULL is).
    """
    value = _value(dataset, keyword)
    if value is None:
        return None
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    try:
        text = "\\".join(str(one) for one in value) if several else str(value)
    except Exception:  # str() of a broken UID
        return None
    return text.strip(" ").rstrip("\0") or None


def _clean(value: Any) -> str | None:
    """Return printable trimmed text, of bounded length: it goes to pages, reports and logs."""
    if value is None:
        return None
    try:
        text = str(value)
    except Exception:  # str() of a broken PersonName or UID
        return None
    printable = "".join(c if c.isprintable() else " " for c in text[:_MAX_TEXT])
    return " ".join(printable.split()) or None


def _upper(text: str | None) -> str | None:
    return text.upper() if text else None


def _integer(dataset: Dataset, keyword: str) -> int | None:
    try:
        return int(_value(dataset, keyword))
    except (TypeError, ValueError, OverflowError):
        return None


def _date(text: str | None) -> date | None:
    """Read DA, with the dots of the ACR-NEMA form allowed."""
    digits = (text or "").replace(".", "")[:8]
    try:
        return datetime.strptime(digits, "%Y%m%d").date()  # noqa: DTZ007 a date has no zone
    except ValueError:
        return None


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _time(text: str | None) -> str | None:
    """Read TM, which may leave out seconds and minutes."""
    digits = (text or "").replace(":", "")[:6]
    # By length, because strptime would read 0304 as three hours, no minutes, four seconds.
    form = {2: "%H", 4: "%H%M", 6: "%H%M%S"}.get(len(digits))
    if form is None:
        return None
    try:
        return datetime.strptime(digits, form).strftime("%H:%M:%S")  # noqa: DTZ007 as written
    except ValueError:
        return None


def _acquired(dataset: Dataset) -> tuple[date | None, str | None]:
    """Return date and time from the same level: acquisition, else content, series, study."""
    combined = _text(dataset, "AcquisitionDateTime")
    if combined and (day := _date(combined[:8])):
        return day, _time(combined[8:14])
    for date_keyword, time_keyword in zip(_DATE_KEYWORDS, _TIME_KEYWORDS, strict=True):
        if day := _date(_text(dataset, date_keyword)):
            return day, _time(_text(dataset, time_keyword))
    return None, None


def _with_zone(dataset: Dataset, day: date | None, time: str | None) -> str | None:
    """Return date, time and offset where the offset is known; else the date alone.

    References
    ----------
    DICOM PS3.3 C.12.1.1.8 (Timezone Offset From UTC).
    """
    if day is None:
        return None
    offset = _text(dataset, "TimezoneOffsetFromUTC") or ""
    combined = _text(dataset, "AcquisitionDateTime") or ""
    if combined[-5:-4] in ("+", "-"):
        offset = combined[-5:]
    try:
        zone = timezone(timedelta(hours=int(offset[:3]), minutes=int(offset[0] + offset[3:5])))
        clock = datetime.strptime(time or "", "%H:%M:%S").time()  # noqa: DTZ007 zone follows
    except (ValueError, IndexError):
        return day.isoformat()
    return datetime.combine(day, clock, tzinfo=zone).isoformat()


def _items(dataset: Dataset, keyword: str) -> Iterable[Any]:
    value = _value(dataset, keyword)
    return value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else ()


def _view(dataset: Dataset) -> str | None:
    stated = _upper(_text(dataset, "ViewPosition"))
    if stated:
        return stated
    for item in _items(dataset, "ViewCodeSequence"):
        meaning = (_text(item, "CodeMeaning") or "").lower()
        if "lateral" in meaning:
            return "LATERAL"
        front, back = meaning.find("anter"), meaning.find("poster")
        if front >= 0 and back >= 0:
            return "AP" if front < back else "PA"
    orientation = (_orientation(dataset) or "").split("\\")
    # Rows or columns that run between front and back can only be a side view.
    if any(direction[:1] in ("A", "P") for direction in orientation):
        return "LATERAL"
    return None


def _orientation(dataset: Dataset) -> str | None:
    directions = [_upper(_clean(part)) or "" for part in _items(dataset, "PatientOrientation")]
    return "\\".join(directions) if len(directions) == 2 and all(directions) else None


def _body_part(dataset: Dataset) -> str | None:
    stated = _upper(_text(dataset, "BodyPartExamined"))
    if stated:
        return stated
    for item in _items(dataset, "AnatomicRegionSequence"):
        if meaning := _upper(_text(item, "CodeMeaning")):
            return meaning
    return None
