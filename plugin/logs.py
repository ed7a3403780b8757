"""Logs: one JSON object a line, without patient data, secrets or query strings.

Messages are fixed words; what varies goes into named fields. Of an exception only its class and
its places in the code are written: its message may quote what a patient's record said.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

# What a LogRecord has by itself; everything else on it came from `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


LONGEST_CHAIN = 8


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = describe(record.exc_info[1])
        return json.dumps(line, default=str, ensure_ascii=False)


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
    logging.captureWarnings(True)
    # Their INFO lines name whole addresses, with the parameters that may name a patient.
    for name in ("urllib3", "requests", "werkzeug"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
