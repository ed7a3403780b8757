"""FHIR dates as intervals of seconds (R4, "Search: date")."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime

Interval = tuple[float, float]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::([0-5]\d)(\.\d{1,9})?)?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)?)?)?)?"
)


def interval_of(text: str) -> Interval:
    """First and first-after second of a date, dateTime or instant, since 1970 in UTC.

    Parameters
    ----------
    text : str
        ``YYYY`` up to ``YYYY-MM-DDThh:mm:ss.sss+zz:zz``; without a time zone UTC is assumed.

    Raises
    ------
    ValueError
        The text is no FHIR date.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError("a date must look like 2026, 2026-11, 2026-11-22 or 2026-11-22T10:30:00Z")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        start = datetime(
            *(int(year), int(month or 1), int(day or 1)),
            *(int(hour or 0), int(minute or 0), int(second or 0)),
            tzinfo=UTC,
        )
    except ValueError as error:
        raise ValueError("a date must be one of the calendar") from error
    offset = _offset(zone)
    low = (start - _EPOCH).total_seconds() + float(fraction or 0) - offset
    return low, low + _length(start, found.groups())


def _length(start: datetime, parts: tuple[str | None, ...]) -> float:
    _, month, day, hour, _, second, fraction, _ = parts
    if fraction:
        return float(10.0 ** -(len(fraction) - 1))
    if second:
        return 1.0
    if hour:
        return 60.0
    if day:
        return 86400.0
    if month:
        return 86400.0 * calendar.monthrange(start.year, start.month)[1]
    return 86400.0 * (366 if calendar.isleap(start.year) else 365)


def _offset(zone: str | None) -> float:
    if zone is None or zone == "Z":
        return 0.0
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
