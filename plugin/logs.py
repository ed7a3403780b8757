"""Logs: one JSON object a line, without patient data, secrets or query strings.

Messages are fixed words; what varies goes into named fields. Of an exception only its class and
its places in the code are written: its message may quote what a patient's record said. Of a
library's line only its pattern and its place are written: urllib3 puts whole addresses into its
warnings, and an address may name a patient. Of a Python warning its class and the place that it is
about are written: pydicom quotes the value that it warns of.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
import warnings
from datetime import UTC, datetime
from typing import Any

# What a LogRecord has by itself; everything else on it came from `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
OWN = "wetread"
# They speak of the addresses that Wetread asks, and of headers that servers send.
ABOUT_REQUESTS = ("urllib3", "requests", "werkzeug")
LONGEST_CHAIN = 8


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        line |= _own_words(record) if _is_own(record) else _foreign_words(record)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return json.dumps(line, default=str, ensure_ascii=False)


def _is_own(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == OWN


def _own_words(record: logging.LogRecord) -> dict[str, Any]:
    named = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return {"event": record.getMessage()} | named


def _foreign_words(record: logging.LogRecord) -> dict[str, Any]:
    """Give the pattern without its values; a line without values may be made of anything."""
    pattern = record.msg if record.args and isinstance(record.msg, str) else "message withheld"
    return {"event": pattern, "place": f"{record.pathname}:{record.lineno} {record.funcName}"}


def describe(error: BaseException) -> dict[str, Any]:
    """Name the classes of an exception and its causes, and its places; never its message."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    classes: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(classes) < LONGEST_CHAIN:
        classes.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__ or cause.__context__
    return {"classes": classes, "places": places}


def configure_logging(level: str) -> None:
    """Send every log line of this process to standard error, as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    name_warnings_only()
    for name in ABOUT_REQUESTS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def name_warnings_only() -> None:
    """Log Python's warnings by class and place in this process, never by their text."""
    warnings.showwarning = _log_warning  # type: ignore[assignment]


def _log_warning(
    _message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object
) -> None:
    named = f"{category.__module__}.{category.__qualname__}"
    logging.getLogger(f"{OWN}.warnings").warning(
        "library_warning", extra={"class": named, "place": f"{filename}:{lineno}"}
    )
