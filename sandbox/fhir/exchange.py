"""Bodies and headers of the FHIR REST API (R4, "RESTful API": content types, Prefer, ETag)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from flask import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import http_date

from sandbox.errors import FhirProblem
from sandbox.fhir_backend import Resource, Written

LARGEST_BODY = 8 * 1024 * 1024
_JSON = ("application/fhir+json", "application/json")
_FORMATS = ("json", "application/json", "application/fhir+json", "application/fhir json")


def check_accept(request: Request) -> None:
    """Refuse what asks for something other than JSON.

    Raises
    ------
    FhirProblem
        406.
    """
    wanted = request.args.get("_format")
    if wanted is not None:
        acceptable = wanted in _FORMATS
    else:
        acceptable = not request.accept_mimetypes or bool(
            request.accept_mimetypes.best_match([*_JSON, "text/json"])
        )
    if not acceptable:
        raise FhirProblem(406, "not-supported", "this server answers application/fhir+json only")


def read_body(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body.

    Raises
    ------
    FhirProblem
        415 for another content type, 413 when it is too large, 400 when it is no JSON object.
    """
    if request.mimetype not in _JSON:
        raise FhirProblem(415, "not-supported", "the body must be application/fhir+json")
    request.max_content_length = LARGEST_BODY
    try:
        body = json.loads(
            request.get_data(), object_pairs_hook=_unique_names, parse_constant=_no_constant
        )
    except RequestEntityTooLarge as error:
        text = f"a body may have {LARGEST_BODY} bytes at most"
        raise FhirProblem(413, "too-long", text) from error
    except (ValueError, RecursionError) as error:
        raise FhirProblem(400, "structure", "the body must be well-formed JSON") from error
    if not isinstance(body, dict):
        raise FhirProblem(400, "structure", "the body must be a JSON object")
    return body


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")


def fhir_json(
    document: Resource, status: int = 200, *, versioned: Resource | None = None
) -> Response:
    """Answer a document; ``versioned`` gives ETag and Last-Modified."""
    body = json.dumps(document, ensure_ascii=False)
    response = Response(body, status, content_type="application/fhir+json; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    meta = (versioned or {}).get("meta", {})
    if "versionId" in meta:
        response.headers["ETag"] = f'W/"{meta["versionId"]}"'
    if "lastUpdated" in meta:
        moment = datetime.fromisoformat(meta["lastUpdated"])
        response.headers["Last-Modified"] = http_date(moment)
    return response


def _preference(request: Request) -> str:
    for part in request.headers.get("Prefer", "").replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        if name == "return":
            return value
    return "representation"


def written_answer(request: Request, written: Written, base: str) -> Response:
    """Answer a create or an update, with Location and what ``Prefer`` asks for."""
    resource, preference = written.resource, _preference(request)
    document = resource if preference == "representation" else _said("stored")
    response = fhir_json(document, 201 if written.created else 200, versioned=resource)
    if preference == "minimal":
        response.set_data(b"")
        del response.headers["Content-Type"]
    address = f"{base}/{resource['resourceType']}/{resource['id']}"
    history = f"/_history/{written.version}" if written.version else ""
    response.headers["Location"] = f"{address}{history}"
    response.autocorrect_location_header = False
    return response


def bundle_answer(request: Request, bundle: Resource) -> Response:
    """Answer a transaction or batch; without ``return=representation`` writes show no bodies."""
    preference = _preference(request) if "Prefer" in request.headers else "minimal"
    if preference != "representation":
        for entry in bundle["entry"]:
            if "location" in entry["response"]:  # What was read is shown in any case.
                entry.pop("resource", None)
    return fhir_json(bundle)


def _said(text: str) -> Resource:
    issue = {"severity": "information", "code": "informational", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
