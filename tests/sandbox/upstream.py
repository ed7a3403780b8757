"""A FHIR server without any access control, as hospitals keep behind their gateways.

Its pages are linked as HAPI links them: at the base, by an id of the search and not by its
parameters.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

from sandbox.errors import FhirProblem
from sandbox.fhir.bundle_entries import read_version
from sandbox.fhir.outcome import operation_outcome
from sandbox.fhir.sqlite import SqliteRecords
from sandbox.fhir_backend import ValidationQuestion, Written


class Upstream:
    def __init__(self, folder: Path) -> None:
        self.app = Flask("upstream")
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.base = f"http://127.0.0.1:{self._server.port}/baseR4"
        self.records = SqliteRecords(folder / "upstream.sqlite3", self.base)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.failure: Response | None = None
        self._searches: dict[str, tuple[str, list[tuple[str, str]]]] = {}
        self._add_routes()

    def _add_routes(self) -> None:
        self.app.before_request(self._note)
        self.app.register_error_handler(FhirProblem, self._problem)
        add = self.app.add_url_rule
        add(
            "/baseR4/metadata", "metadata", lambda: jsonify({"resourceType": "CapabilityStatement"})
        )
        add("/baseR4", "page", self._page)
        add("/baseR4", "bundle", self._bundle, methods=["POST"])
        add("/baseR4/<kind>", "search", self._search)
        add("/baseR4/<kind>/$validate", "validate", self._validate, methods=["POST"])
        add("/baseR4/<kind>", "create", self._create, methods=["POST"])
        add("/baseR4/<kind>/<name>", "read", self._read)
        add("/baseR4/<kind>/<name>/_history/<version>", "vread", self._vread)
        add("/baseR4/<kind>/<name>", "update", self._update, methods=["PUT"])

    def _note(self) -> Response | None:
        self.seen.append((request.full_path, dict(request.headers)))
        return self.failure

    def _problem(self, error: FhirProblem) -> tuple[Response, int]:
        return jsonify(operation_outcome(error)), error.status

    def _read(self, kind: str, name: str) -> Response:
        return jsonify(self.records.read(kind, name))

    def _vread(self, kind: str, name: str, version: str) -> Response:
        return jsonify(self.records.vread(kind, name, version))

    def _search(self, kind: str) -> Response:
        return self._answer(kind, list(request.args.items(multi=True)))

    def _page(self) -> Response:
        kind, parameters = self._searches[request.args["_getpages"]]
        return self._answer(kind, [*parameters, ("_page", request.args["_getpagesoffset"])])

    def _answer(self, kind: str, parameters: list[tuple[str, str]]) -> Response:
        page = self.records.search(kind, parameters)
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": []}
        if page.next_page:
            key = str(len(self._searches))
            self._searches[key] = (kind, [p for p in parameters if p[0] != "_page"])
            address = f"{self.base}?_getpages={key}&_getpagesoffset={page.next_page}"
            bundle["link"] = [{"relation": "next", "url": address}]
        bundle["total"] = page.total
        modes = [("match", page.matches), ("include", page.includes)]
        bundle["entry"] = [
            {
                "fullUrl": f"{self.base}/{kind}/{found['id']}",
                "resource": found,
                "search": {"mode": mode},
            }
            for mode, resources in modes
            for found in resources
        ]
        return jsonify(bundle)

    def _create(self, kind: str) -> tuple[Response, int]:
        assert request.get_json()["resourceType"] == kind
        query = request.headers.get("If-None-Exist")
        return self._written(self.records.create(request.get_json(), if_none_exist=query))

    def _validate(self, kind: str) -> Response:
        body = request.get_json()
        assert body["resourceType"] == kind
        return jsonify(self.records.validate(ValidationQuestion(body, "create")))

    def _update(self, kind: str, name: str) -> tuple[Response, int]:
        assert (request.get_json()["resourceType"], request.get_json()["id"]) == (kind, name)
        version = read_version(request.headers.get("If-Match"))
        only_new = request.headers.get("If-None-Match") == "*"
        return self._written(
            self.records.update(request.get_json(), if_match=version, only_new=only_new)
        )

    def _bundle(self) -> tuple[Response, int]:
        bundle = request.get_json()
        if any("fullUrl" not in entry for entry in bundle["entry"]):
            # As HAPI does with validation on: the error stands among warnings.
            told = [("warning", "no narrative"), ("error", "entry missing fullUrl")]
            issues = [{"severity": s, "code": "processing", "diagnostics": d} for s, d in told]
            return jsonify({"resourceType": "OperationOutcome", "issue": issues}), 422
        return jsonify(self.records.transaction(bundle)), 200

    def _written(self, written: Written) -> tuple[Response, int]:
        return jsonify(written.resource), 201 if written.created else 200

    @contextmanager
    def running(self) -> Iterator[Upstream]:
        run = {"poll_interval": 0.02}
        thread = threading.Thread(target=self._server.serve_forever, kwargs=run)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
            self.records.close()
