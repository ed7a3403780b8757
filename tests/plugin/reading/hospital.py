"""A small hospital on loopback: FHIR, DICOMweb and a token endpoint that misbehave on command."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.plugin.reading.wire import Reply, Request, handler, query_of

Resource = dict[str, Any]


def fhir(status: int, resource: Resource, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"Content-Type": "application/fhir+json"}
    return Reply(status, json.dumps(resource).encode(), kind | named)


def outcome(status: int, code: str = "processing") -> Reply:
    issue = [{"severity": "error", "code": code, "diagnostics": "Patient CLARK must not leak"}]
    return fhir(status, {"resourceType": "OperationOutcome", "issue": issue})


Trick = Callable[[Request], Reply | None]


class Hospital:
    """The server; a context manager.

    Attributes
    ----------
    resources : dict
        "Type/id" to resource; every write counts its version up.
    history : dict
        "Type/id" to all versions, newest first.
    images : dict
        (study, series, instance) to DICOM file.
    tokens : set of str
        Access tokens that are accepted.
    tricks : list
        (method, pattern of the path, function); the first function that gives a reply wins.
    hears_only_new : bool
        An update with If-None-Match is refused where something lies; many servers ignore that.
    of_version_0 : str
        What it makes of If-Match: W/"0": "ignored"; "hapi" (nothing may lie there) or "strict"
        (refused where nothing lies, since what is not there has no version: RFC 9110 13.1.1).
    says_status : bool
        The entries of a transaction's answer have a status; some servers leave it out.
    takes_batches, reads_in_transactions : bool
        Many servers take neither.

    A batch is noted with the method BATCH, and each of its entries as the request that it stands
    for: a trick on GET plays on both.
    """

    def __init__(self, *, own_ids: bool = True) -> None:
        self.resources: dict[str, Resource] = {}
        self.history: dict[str, list[Resource]] = {}
        self.images: dict[tuple[str, str, str], bytes] = {}
        self.tokens = {"token-0"}
        self.refresh_tokens = {"refresh-0"}
        self.tricks: list[tuple[str, re.Pattern[str], Trick]] = []
        self.requests: list[Request] = []
        self.own_ids = own_ids
        self.hears_only_new, self.says_status = False, True
        self.of_version_0 = "ignored"
        self.takes_batches, self.reads_in_transactions = True, True
        self._counter = itertools.count(1)
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self.answer))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Hospital:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def issuer(self) -> str:
        return f"{self.origin}/fhir"

    def add(self, resource: Resource) -> str:
        with self._lock:
            place = f"{resource['resourceType']}/{resource['id']}"
            version = int(self.resources.get(place, {}).get("meta", {}).get("versionId", "0")) + 1
            meta = resource.get("meta", {}) | {"versionId": str(version)}
            self.resources[place] = resource | {"meta": meta}
            self.history.setdefault(place, []).insert(0, self.resources[place])
            return place

    def change(self, place: str, **values: Any) -> None:
        self.add(self.resources[place] | values)

    def of_type(self, kind: str) -> list[Resource]:
        return [r for place, r in self.resources.items() if place.startswith(f"{kind}/")]

    def trick(self, method: str, pattern: str, answer: Reply | Trick, *, times: int = 1000) -> None:
        """Misbehave for the next requests that fit."""
        left = itertools.count(1)

        def played(request: Request) -> Reply | None:
            if next(left) > times:
                return None
            return answer if isinstance(answer, Reply) else answer(request)

        self.tricks.append((method, re.compile(pattern), played))

    def asked(self, method: str, pattern: str) -> list[Request]:
        fits = re.compile(pattern)
        return [r for r in self.requests if r.method == method and fits.search(r.path)]

    def answer(self, request: Request) -> Reply:
        is_bundle = request.method == "POST" and request.path.rstrip("/") == "/fhir"
        if is_bundle and request.json().get("type") == "batch":
            request.method = "BATCH"
        with self._lock:
            self.requests.append(request)
        for method, pattern, trick in self.tricks:
            if method == request.method and pattern.search(request.path):
                reply = trick(request)
                if reply is not None:
                    return reply
        if request.path == "/fhir/.well-known/smart-configuration":
            return self._configuration()
        if request.path == "/token":
            return self._refresh(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return outcome(401, "login")
        if request.method == "BATCH":
            return self._batch(request)
        with self._lock:
            if request.path.startswith("/dicomweb/"):
                return self._image(request)
            return self._fhir(request)

    def _configuration(self) -> Reply:
        body = {
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "capabilities": ["launch-ehr", "permission-v2", "client-public"],
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": ["authorization_code"],
        }
        return Reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _refresh(self, request: Request) -> Reply:
        if request.form().get("refresh_token") not in self.refresh_tokens:
            body = {"error": "invalid_grant"}
            return Reply(400, json.dumps(body).encode(), {"Content-Type": "application/json"})
        token = f"token-{next(self._counter)}"
        self.tokens.add(token)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "x"}
        return Reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _image(self, request: Request) -> Reply:
        uids = tuple(request.path.split("/")[3::2])
        found = [data for key, data in sorted(self.images.items()) if key[: len(uids)] == uids]
        if not found:
            return Reply(404)
        head = b"\r\n--BOUND\r\nContent-Type: application/dicom\r\n\r\n"
        body = b"".join(head + data for data in found)[2:] + b"\r\n--BOUND--\r\n"
        kind = 'multipart/related; type="application/dicom"; boundary=BOUND'
        return Reply(200, body, {"Content-Type": kind})

    def _fhir(self, request: Request) -> Reply:
        parts = request.path.removeprefix("/fhir").strip("/").split("/")
        if request.method == "POST" and parts == [""]:
            return self._transaction(request)
        if request.method == "POST":
            return self._create(request.json(), request.headers.get("if-none-exist"))
        if request.method == "PUT":
            match = request.headers.get("if-match", "").strip('W/"') or None
            return self._put(request.json(), match, request.headers.get("if-none-match"))
        if parts[2:] == ["_history"]:
            versions = [{"resource": one} for one in self.history.get("/".join(parts[:2]), [])]
            return fhir(200, {"resourceType": "Bundle", "type": "history", "entry": versions})
        if len(parts) == 2:
            found = self.resources.get("/".join(parts))
            return outcome(404, "not-found") if found is None else self._shown(200, found)
        return self._search(parts[0], request.query)

    def _shown(self, status: int, resource: Resource) -> Reply:
        place = f"{resource['resourceType']}/{resource['id']}"
        version = resource["meta"]["versionId"]
        return fhir(
            status, resource, ETag=f'W/"{version}"', Location=f"{self.issuer}/{place}/_history/1"
        )

    def _search(self, kind: str, query: dict[str, str]) -> Reply:
        found = [r for r in self.of_type(kind) if _fits(r, query)]
        entries = [{"resource": r, "search": {"mode": "match"}} for r in found]
        for asked in query.get("_include", "").split():
            pattern = {"endpoint": "Endpoint", "patient": "Patient"}[asked.split(":")[1]]
            for reference in re.findall(rf'"({pattern}/[^"]+)"', json.dumps(found)):
                if reference in self.resources:
                    included = self.resources[reference]
                    entries.append({"resource": included, "search": {"mode": "include"}})
        bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
        return fhir(200, bundle)

    def _create(self, resource: Resource, if_none_exist: str | None) -> Reply:
        if if_none_exist:
            query = dict(pair.split("=", 1) for pair in if_none_exist.split("&"))
            found = [r for r in self.of_type(resource["resourceType"]) if _fits(r, query)]
            if len(found) > 1:
                return outcome(412)
            if found:
                return self._shown(200, found[0])
        place = self.add(resource | {"id": f"s{next(self._counter)}"})
        return self._shown(201, self.resources[place])

    def _put(self, resource: Resource, if_match: str | None, if_none_match: str | None) -> Reply:
        place = f"{resource['resourceType']}/{resource['id']}"
        existing = self.resources.get(place)
        refused_by = {"hapi": existing is not None, "strict": True, "ignored": False}
        if if_match == "0" and not refused_by[self.of_version_0]:
            if_match = None
        if existing is None and not self.own_ids:
            return outcome(405)
        if if_match and (existing is None or existing["meta"]["versionId"] != if_match):
            return outcome(412, "conflict")
        if existing is not None and if_none_match == "*" and self.hears_only_new:
            return outcome(412, "conflict")
        self.add(resource)
        return self._shown(200 if existing else 201, self.resources[place])

    def _batch(self, request: Request) -> Reply:
        if not self.takes_batches:
            return outcome(405, "not-supported")
        entries = [self._entry(entry, request) for entry in request.json()["entry"]]
        return fhir(200, {"resourceType": "Bundle", "type": "batch-response", "entry": entries})

    def _entry(self, entry: Resource, request: Request) -> Resource:
        """Answer a read or a search inside a Bundle as if it had come by itself."""
        parts = urlsplit(f"/fhir/{entry['request']['url']}")
        asked = Request("GET", parts.path, query_of(parts.query), request.headers, b"")
        reply = self.answer(asked)
        body = json.loads(reply.body) if reply.body[:1] == b"{" else {}
        status = {"status": str(reply.status)}
        if reply.status >= 400:
            return {"response": status | {"outcome": body}}
        return {"response": status | {"etag": reply.headers.get("ETag", "")}, "resource": body}

    def _transaction(self, request: Request) -> Reply:
        bundle = request.json()
        reads = [entry for entry in bundle["entry"] if entry["request"]["method"] == "GET"]
        if reads and not self.reads_in_transactions:
            return outcome(400, "not-supported")
        before = dict(self.resources)
        history = {place: list(versions) for place, versions in self.history.items()}
        answers = []
        for entry in bundle["entry"][: len(bundle["entry"]) - len(reads)]:
            asked = entry["request"]
            if asked["method"] == "PUT":
                match = asked.get("ifMatch", "").strip('W/"') or None
                reply = self._put(entry["resource"], match, asked.get("ifNoneMatch"))
            else:
                reply = self._create(entry["resource"], asked.get("ifNoneExist"))
            if reply.status >= 400:
                self.resources, self.history = before, history
                return reply
            status = {"status": str(reply.status)} if self.says_status else {}
            answers.append({"response": status})
        answers += [self._entry(entry, request) for entry in reads]
        return fhir(
            200, {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}
        )


def _fits(resource: Resource, query: dict[str, str]) -> bool:
    for name, value in query.items():
        if name in ("patient", "subject"):
            wanted = value if "/" in value else f"Patient/{value}"
            if (resource.get("subject") or {}).get("reference") != wanted:
                return False
        elif name == "_id" and resource["id"] != value:
            return False
        elif name == "identifier":
            system, _, number = value.partition("|")
            pairs = [(i.get("system"), i.get("value")) for i in resource.get("identifier", ())]
            if (system, number) not in pairs:
                return False
    return True
