"""Gateway to a real FHIR server: the same answers, its records.

Authorization, scopes and patient are enforced in front of it by ``sandbox.fhir.guard``. Addresses
of the real server never leave: they are rewritten to the hospital's own.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any
from urllib.parse import urlencode

import requests
from requests.adapters import HTTPAdapter

from sandbox.errors import FhirProblem
from sandbox.fhir.elements import make_relative, replace_prefix
from sandbox.fhir.search_parameters import check_names, include_parameter
from sandbox.fhir_backend import (
    Parameters,
    Resource,
    SearchPage,
    ValidationQuestion,
    Written,
)

TIMEOUT_S = 30
_NEXT = re.compile(r"/?([A-Z][A-Za-z]+)?\?[^#\s]+")
_HEADERS = {
    "Accept": "application/fhir+json",
    "Prefer": "return=representation",
    "Cache-Control": "no-cache",  # HAPI answers repeated searches from a cache otherwise.
}
_CONTENT = {"Content-Type": "application/fhir+json"}
_FORWARDED = frozenset({400, 404, 405, 409, 410, 412, 422, 429})


class GatewayRecords:
    """A :class:`sandbox.fhir_backend.FhirBackend` that asks a real FHIR R4 server.

    Parameters
    ----------
    url : str
        Base of the real server.
    base : str
        FHIR base of the hospital.
    page_size : int
        ``_count`` where the client gives none.
    """

    def __init__(self, url: str, base: str, page_size: int = 50) -> None:
        self._url = url.rstrip("/")
        self._base = base
        self._page_size = page_size
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_maxsize=16)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def health(self) -> bool:
        """Whether the real server answers."""
        try:
            self._send("GET", "/metadata?_summary=true")
        except FhirProblem:
            return False
        return True

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def read(self, kind: str, resource_id: str) -> Resource:
        """Read the current version."""
        return self._send("GET", f"/{kind}/{resource_id}")[1]

    def vread(self, kind: str, resource_id: str, version: str) -> Resource:
        """Read one version."""
        return self._send("GET", f"/{kind}/{resource_id}/_history/{version}")[1]

    def search(self, kind: str, parameters: Parameters) -> SearchPage:
        """Search one type; the page mark is the real server's own next link, without its base."""
        check_names(kind, (name for name, _ in parameters))
        for name, value in parameters:
            if name == "_include":
                include_parameter(kind, value)
        bundle = self._send("GET", self._search_path(kind, parameters))[1]
        if bundle.get("resourceType") != "Bundle":
            raise FhirProblem(502, "exception", "the FHIR server answered no Bundle to a search")
        found = [entry for entry in bundle.get("entry", []) if "resource" in entry]
        matches = [e["resource"] for e in found if _is_match(e, kind)]
        includes = [e["resource"] for e in found if e.get("search", {}).get("mode") == "include"]
        return SearchPage(matches, includes, bundle.get("total"), self._next_page(bundle))

    def create(self, resource: Resource, *, if_none_exist: str | None = None) -> Written:
        """Create, conditionally with ``If-None-Exist``."""
        headers = {"If-None-Exist": if_none_exist} if if_none_exist is not None else {}
        kind = resource["resourceType"]
        status, stored = self._send("POST", f"/{kind}", self._outgoing(resource), headers)
        return Written(stored, created=status == 201)

    def update(
        self, resource: Resource, *, if_match: str | None = None, only_new: bool = False
    ) -> Written:
        """Update, conditionally with ``If-Match`` or ``If-None-Match: *``."""
        headers = {"If-Match": f'W/"{if_match}"'} if if_match is not None else {}
        if only_new:
            headers["If-None-Match"] = "*"
        path = f"/{resource['resourceType']}/{resource['id']}"
        status, stored = self._send("PUT", path, self._outgoing(resource), headers)
        return Written(stored, created=status == 201)

    def transaction(self, bundle: Resource) -> Resource:
        """Hand a transaction on."""
        return self._send("POST", "", self._outgoing(bundle))[1]

    def validate(self, question: ValidationQuestion) -> Resource:
        """Ask the real server; it may answer errors with 200, or refuse (R4 allows no refusal)."""
        mode = f"?mode={question.mode}" if question.mode else ""
        resource = question.resource
        instance = f"/{resource['id']}" if question.mode == "update" else ""
        path = f"/{resource['resourceType']}{instance}/$validate{mode}"
        return self._send("POST", path, self._outgoing(resource))[1]

    def _outgoing(self, resource: Resource) -> Resource:
        make_relative(resource, self._base)
        return resource

    def _search_path(self, kind: str, parameters: Parameters) -> str:
        marks = [value for name, value in parameters if name == "_page"]
        if marks:
            return _read_mark(marks[0])
        asked = [(n, replace_prefix(v, self._base, self._url)) for n, v in parameters]
        if not any(name == "_count" for name, _ in asked):
            asked.append(("_count", str(self._page_size)))
        return f"/{kind}?{urlencode(asked)}"

    def _next_page(self, bundle: Resource) -> str | None:
        # Links were rewritten with the rest of the answer.
        links = [link["url"] for link in bundle.get("link", []) if link.get("relation") == "next"]
        if not links or not links[0].startswith(self._base):
            return None
        return base64.urlsafe_b64encode(links[0].removeprefix(self._base).encode()).decode()

    def _send(
        self,
        method: str,
        path: str,
        body: Resource | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Resource]:
        try:
            response = self._session.request(
                method,
                f"{self._url}{path}",
                json=body,
                headers={**_HEADERS, **(_CONTENT if body is not None else {}), **(headers or {})},
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
            document = response.json() if response.content else {}
        except requests.Timeout as error:
            raise FhirProblem(504, "timeout", "the FHIR server did not answer in time") from error
        except (requests.RequestException, ValueError) as error:
            raise FhirProblem(502, "exception", "the FHIR server did not answer") from error
        answer = replace_prefix(document, self._url, self._base)
        if response.status_code not in (200, 201):
            raise _problem(response.status_code, answer)
        return response.status_code, answer


def _is_match(entry: dict[str, Any], kind: str) -> bool:
    mode = entry.get("search", {}).get("mode", "match")
    return bool(mode == "match" and entry["resource"].get("resourceType") == kind)


def _read_mark(mark: str) -> str:
    """A page mark came from us, but through the client: it may only be a search here."""
    try:
        path = base64.b64decode(mark.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise FhirProblem(400, "invalid", "_page must come from a next link") from error
    if not _NEXT.fullmatch(path):
        raise FhirProblem(400, "invalid", "_page must come from a next link")
    return path


def _problem(status: int, answer: Any) -> FhirProblem:
    found = answer.get("issue", []) if isinstance(answer, dict) else []
    # Validating servers add dozens of warnings; the errors are what the refusal is about.
    issues = [issue for issue in found if issue.get("severity") in ("error", "fatal")] or found
    texts = [issue.get("diagnostics") or issue.get("code", "") for issue in issues]
    text = "; ".join(filter(None, texts)) or "the FHIR server refused the request"
    code = issues[0].get("code", "processing") if issues else "processing"
    return FhirProblem(status if status in _FORWARDED else 502, code, text)
