"""The plugin as the page sees it: the real template and scripts over scripted answers.

Each scenario is one launch; its name is the EHR in the address and the handle that comes back, so
two frames with two scenarios are two launches.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request
from werkzeug.serving import WSGIRequestHandler, make_server

import plugin
from tests.browser import answers, phantom

PLUGIN = Path(plugin.__file__).parent
CALLBACK = """
const name = location.pathname.split("/").pop();
export async function finishLaunch() {{
  history.replaceState({{ wetread: "kept" }}, "", location.pathname);
  return {answer};
}}
export function forgetLaunch() {{}}
"""
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; connect-src 'self'; "
    "img-src 'self' blob:; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'"
)

Json = dict[str, Any]


class Quiet(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """Thirty files a page: the log would bury what failed."""


@dataclass
class LateFailure:
    """A request that is answered with an error only when the test says so."""

    asked: threading.Event = field(default_factory=threading.Event)
    answer: threading.Event = field(default_factory=threading.Event)


@dataclass
class Scenario:
    """The answers of one launch. A list of states is given out one by one; the last one stays."""

    launch: Json | tuple[int, Json] = field(default_factory=answers.launch)
    studies: list[Json] | tuple[int, Json] = field(default_factory=lambda: [answers.study()])
    reports_problem: str | None = None
    openings: list[Json] = field(default_factory=lambda: [answers.opening()])
    readings: list[Json | int] = field(
        default_factory=lambda: [
            answers.reading("queued"),
            answers.reading("running"),
            answers.reading("running", steps=answers.steps(3)),
            answers.reading("done"),
        ]
    )
    start_reading: tuple[int, Json] = (202, {"id": "g1"})
    values: bytes | int = field(default_factory=phantom.values_bytes)
    jpeg: bytes | int = field(default_factory=phantom.jpeg)
    heat_map: bytes | int = field(default_factory=phantom.heat_map_png)
    late_jpegs: dict[int, LateFailure] = field(default_factory=dict)
    style: Json | int = field(default_factory=dict)
    refused: Json | None = None
    asked: Counter[str] = field(default_factory=Counter)
    posted: list[tuple[str, Any]] = field(default_factory=list)

    def next_of(self, name: str, states: list[Any]) -> Any:
        at = min(self.asked[name], len(states) - 1)
        self.asked[name] += 1
        return states[at]


class FakePlugin:
    """The server, on a free port of loopback, while the `with` block runs."""

    def __init__(self) -> None:
        self.scenarios: dict[str, Scenario] = {}
        self.app = Flask(
            "plugin",
            static_folder=PLUGIN / "static",
            template_folder=PLUGIN / "templates",
            root_path=PLUGIN,
        )
        self._pages()
        self._api()
        self._server = make_server("127.0.0.1", 0, self.app, threaded=True, request_handler=Quiet)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> FakePlugin:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def address(self, name: str) -> str:
        return f"{self.base_url}/callback/{name}"

    def _scenario(self) -> Scenario:
        found = self.scenarios.get(request.headers.get("Wetread-Handle", ""))
        if found is None:
            ended = answers.problem(
                "launch_ended",
                "This Wetread page has been closed",
                "No open launch belongs to this page.",
                "Open Wetread again from the patient's chart.",
            )
            abort(Response(jsonify(ended).data, 401, content_type="application/json"))
        return found

    def _pages(self) -> None:
        @self.app.get("/callback/<name>")
        def page(name: str) -> Response:
            nonce = secrets.token_urlsafe(16)
            answer = Response(render_template("reading.html", csp_nonce=nonce, nonce=nonce))
            answer.headers["Content-Security-Policy"] = POLICY.format(nonce=nonce)
            answer.headers["Referrer-Policy"] = "no-referrer"
            return answer

        @self.app.get("/static/callback.js")
        def callback() -> Response:
            refused = {n: s.refused for n, s in self.scenarios.items() if s.refused}
            answer = f"({json.dumps(refused)})[name] ?? {{handle: name}}"
            return Response(CALLBACK.format(answer=answer), content_type="text/javascript")

    def _api(self) -> None:
        app = self.app

        def given(answer: Any) -> Any:
            if isinstance(answer, tuple):
                return jsonify(answer[1]), answer[0]
            if isinstance(answer, int):
                return Response("<h1>Bad gateway</h1>", answer, content_type="text/html")
            return jsonify(answer)

        @app.get("/api/launch")
        def launch() -> Any:
            return given(self._scenario().launch)

        @app.get("/api/launch/style")
        def style() -> Any:
            return given(self._scenario().style)

        @app.post("/api/launch/end")
        def end() -> Any:
            self._scenario().posted.append(("end", None))
            return Response(status=204)

        @app.get("/api/studies")
        def studies() -> Any:
            found = self._scenario().studies
            self._scenario().asked["studies"] += 1
            listed = {"studies": found, "reports_problem": self._scenario().reports_problem}
            return given(found if isinstance(found, tuple) else listed)

        @app.post("/api/openings")
        def open_study() -> Any:
            self._scenario().posted.append(("opening", request.get_json()))
            return jsonify({"id": "o1"}), 202

        @app.get("/api/openings/<_id>")
        def opening(_id: str) -> Any:
            scenario = self._scenario()
            return given(scenario.next_of("opening", scenario.openings))

        @app.get("/api/openings/<_id>/images/<int:number>.<kind>")
        def image(_id: str, number: int, kind: str) -> Any:
            scenario = self._scenario()
            scenario.asked[kind] += 1
            if kind == "jpg" and (late := scenario.late_jpegs.get(number)):
                late.asked.set()
                late.answer.wait(20)
                return given(502)
            body = scenario.jpeg if kind == "jpg" else scenario.values
            types = {"jpg": "image/jpeg", "values": "application/octet-stream"}
            return (
                given(body) if isinstance(body, int) else Response(body, content_type=types[kind])
            )

        @app.post("/api/readings")
        def read() -> Any:
            self._scenario().posted.append(("reading", request.get_json()))
            return given(self._scenario().start_reading)

        @app.get("/api/readings/<_id>")
        def reading(_id: str) -> Any:
            scenario = self._scenario()
            return given(scenario.next_of("reading", scenario.readings))

        @app.get("/api/readings/<_id>/heat-map.png")
        def heat_map(_id: str) -> Any:
            scenario = self._scenario()
            scenario.asked["heat-map"] += 1
            if isinstance(scenario.heat_map, int):
                return given(scenario.heat_map)
            return Response(scenario.heat_map, content_type="image/png")

        @app.get("/api/readings/<_id>/report.pdf")
        def report(_id: str) -> Any:
            self._scenario().asked["pdf"] += 1
            return Response(b"%PDF-1.4\n%%EOF\n", content_type="application/pdf")
