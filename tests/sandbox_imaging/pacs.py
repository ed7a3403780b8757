"""A PACS as Orthanc is one: Basic authentication, no tokens, addresses without its port."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import TracebackType

from flask import Flask, Response, request
from werkzeug.serving import make_server

from sandbox.dicomweb.errors import DicomwebError
from sandbox.dicomweb.folder_service import FolderService
from sandbox.dicomweb.multipart import boundary_of
from sandbox.dicomweb.receiving import judge, spool_folder, spool_parts
from sandbox.dicomweb.service import SearchRequest, Target
from sandbox.dicomweb.storing import store_answer

NAME, PASSWORD = "hospital", "p@ss/word"
_LEVELS = {"studies": "study", "series": "series", "instances": "instance"}


class Pacs:
    """Context manager: a DICOMweb server in a thread."""

    def __init__(self, folder: Path) -> None:
        self.archive = FolderService(folder / "dicom")
        self.spool = folder / "spool"
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.broken: Response | None = None
        app = Flask("pacs", static_folder=None)
        app.before_request(self._check)
        app.add_url_rule("/dicom-web/studies", view_func=self._store, methods=["POST"])
        app.add_url_rule("/dicom-web/<path:path>", view_func=self._answer)
        app.register_error_handler(DicomwebError, lambda e: (e.sentence, e.status))
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{NAME}:p%40ss%2Fword@127.0.0.1:{self._server.port}/dicom-web"

    def __enter__(self) -> Pacs:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join(timeout=5)
        self._server.server_close()

    def _check(self) -> Response | None:
        self.seen.append((request.method, request.full_path, dict(request.headers)))
        given = request.authorization
        if given is None or (given.username, given.password) != (NAME, PASSWORD):
            return Response("who are you", 401)
        return self.broken

    @property
    def _base(self) -> str:
        return "http://127.0.0.1/dicom-web"  # as Orthanc says it: without the port

    def _answer(self, path: str) -> Response:
        parts = path.split("/")
        accept = request.headers.get("Accept", "")
        if parts[-1] in _LEVELS:
            return self._search(parts)
        uids = parts[1:6:2]
        target = Target(*uids)
        rest = parts[2 * len(uids) :]
        if rest == ["metadata"]:
            return self._json(self.archive.metadata(target, self._base))
        if rest[:1] == ["bulkdata"]:
            return self.archive.bulk_data(target, "/".join(rest), accept)
        if rest == ["rendered"]:
            return self.archive.rendered(target)
        if rest[:1] == ["frames"]:
            return self.archive.frames(target, [int(n) for n in rest[1].split(",")], accept)
        return self.archive.retrieve(target, accept)

    def _search(self, parts: list[str]) -> Response:
        level = _LEVELS[parts[-1]]
        uids = [*parts[1:-1:2], None, None][:2]
        arguments = tuple(request.args.items(multi=True))
        found, _ = self.archive.search(SearchRequest(level, arguments, None, *uids), self._base)
        return self._json(found)

    def _store(self) -> Response:
        with spool_folder(self.spool) as folder:
            parts = spool_parts(request.stream, boundary_of(request.content_type or ""), folder)
            judged = judge(parts, lambda _incoming: None)
            outcomes = self.archive.store([one.instance for one in judged if one.instance])
        body, status = store_answer(outcomes, self._base)
        return Response(json.dumps(body), status, content_type="application/dicom+json")

    @staticmethod
    def _json(body: object) -> Response:
        return Response(json.dumps(body), content_type="application/dicom+json")
