"""A log of what clients ask of records and images, one JSON object a line.

For seeing how many requests an app needs, and which. It names types, parameters and outcomes, and
no ids or values: none of its lines says anything about a patient.
"""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask import Flask, Response, g, request

_FHIR = "/fhir/r4"
_LOGGED = (f"{_FHIR}/", "/dicomweb/")
_TYPE_AND_ID = re.compile(r"([A-Z][A-Za-z]+)/[^/$]+")
# Where these are not told apart, nobody can count requests by what they bring along.
_VALUES_SHOWN = frozenset({"_include", "_elements", "_count"})


def log_requests(app: Flask, path: Path) -> None:
    """Let an application note every FHIR and DICOMweb request in a file, which is emptied first.

    A line has `client` (id, or null without a valid token), `asked`, `status` and `ms`; a Bundle
    has `entries` as well.
    """
    path.write_text("", encoding="utf-8")
    lock = threading.Lock()

    def begin() -> None:
        g.asked_at = time.perf_counter()

    def note(response: Response) -> Response:
        if f"{request.path}/".startswith(_LOGGED):
            line = _line(response, (time.perf_counter() - g.asked_at) * 1000)
            with lock, path.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
        return response

    app.before_request(begin)
    app.after_request(note)


def _line(response: Response, spent_ms: float) -> dict[str, Any]:
    from sandbox import hospital

    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    access = hospital.current().grants.access(token) if token else None
    line: dict[str, Any] = {
        "client": access.client_id if access else None,
        "asked": shape_of(request.method, request.full_path),
        "status": response.status_code,
        "ms": round(spent_ms, 1),
    }
    bundle = request.get_json(silent=True, force=True) if request.path == _FHIR else None
    if isinstance(bundle, dict):
        line["asked"] = f"{request.method} {bundle.get('type')}"
        line["entries"] = [_entry(entry) for entry in bundle.get("entry", ())]
    return line


def _entry(entry: Any) -> str:
    asked = entry.get("request", {}) if isinstance(entry, dict) else {}
    return shape_of(str(asked.get("method")), str(asked.get("url")))


def shape_of(method: str, address: str) -> str:
    """Give a request without its ids and values: ``GET ImagingStudy?_id&patient``."""
    parts = urlsplit(address)
    path = parts.path.removeprefix(_FHIR).strip("/")
    if path.startswith("dicomweb/"):
        # Every other part is a UID: studies/<uid>/series/<uid>/instances.
        path = "dicomweb/" + "/".join(_without_uids(path.split("/")[1:]))
    else:
        path = _TYPE_AND_ID.sub(r"\1/{id}", path, count=1)
    shown = [
        f"{name}={value}" if name in _VALUES_SHOWN else name
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    ]
    return f"{method} {path}" + ("?" + "&".join(shown) if shown else "")


def _without_uids(parts: list[str]) -> list[str]:
    return ["{uid}" if re.fullmatch(r"[0-9.]+", part) else part for part in parts]
