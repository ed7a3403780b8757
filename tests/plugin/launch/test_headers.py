"""Headers of every answer, no cookie ever, logs without query strings, health and public keys."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete
from werkzeug.datastructures import Headers

from plugin.jobs.heartbeat import Heartbeat, beat
from plugin.logs import JsonLines
from plugin.services import Services
from tests.plugin.launch.conftest import VIEWER, Browser
from tests.plugin.launch.hospital import Hospital

PATHS = [
    "/launch?ehr=north",
    "/launch?iss=https://stranger.example&launch=x",
    "/callback/north",
    "/callback/nobody",
    "/api/launch",
    "/api/studies",
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
    "/static/launch.js",
    "/models",
    "/models/chest_xray",
    "/models/nobody",
    "/nothing-here",
]


def headers_of(client: FlaskClient, path: str) -> Headers:
    """A static file stays open until its answer is closed."""
    with client.get(path) as answer:
        return answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_fenced_in(client: FlaskClient, path: str) -> None:
    headers = headers_of(client, path)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert re.search(r"script-src 'self' 'nonce-[\w-]{20,}'", policy)
    assert "unsafe" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize("path", PATHS)
def test_no_answer_sets_a_cookie(client: FlaskClient, path: str) -> None:
    assert "Set-Cookie" not in headers_of(client, path)


def test_no_cookie_is_set_by_a_whole_launch(
    client: FlaskClient, browser: Browser, hospital: Hospital
) -> None:
    page = browser.launch()
    query = hospital.sign_in(page.authorize)
    answers = [
        client.get("/launch", query_string={"iss": hospital.issuer, "launch": "xyz"}),
        client.get("/callback/north", query_string=query),
        browser.post(query | {"binder": page.binder}),
    ]
    handle = answers[-1].get_json()["handle"]
    answers.append(client.post("/api/launch/end", headers={"Wetread-Handle": handle}))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 204]
    assert all("Set-Cookie" not in answer.headers for answer in answers)


def test_session_does_not_exist_so_that_nobody_can_set_a_cookie(app: Flask) -> None:
    with app.test_request_context():
        assert app.session_interface.open_session(app, None) is None  # type: ignore[arg-type]


def test_only_the_two_documents_of_a_launch_may_be_framed_and_by_their_hospital(
    client: FlaskClient,
) -> None:
    for path in PATHS:
        headers = headers_of(client, path)
        framed = path in ("/launch?ehr=north", "/callback/north")
        ancestors = f"frame-ancestors {VIEWER}" if framed else "frame-ancestors 'none'"
        assert headers["Content-Security-Policy"].endswith(ancestors)
        assert ("X-Frame-Options" in headers) is not framed


def test_hospital_without_frame_ancestors_may_frame_nothing(client: FlaskClient) -> None:
    policy = client.get("/callback/south").headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'none'")


def test_nonce_is_new_for_each_document_and_stands_in_it(client: FlaskClient) -> None:
    first, second = (client.get("/callback/north") for _ in range(2))
    nonces = [
        re.findall(r"'nonce-([\w-]+)'", answer.headers["Content-Security-Policy"])[0]
        for answer in (first, second)
    ]
    assert nonces[0] != nonces[1]
    assert f'nonce="{nonces[0]}"' in first.text


def test_documents_hold_no_inline_script_but_data(client: FlaskClient) -> None:
    for path in ("/launch?ehr=north", "/callback/north", "/models/chest_xray", "/nothing-here"):
        text = client.get(path).text
        for attributes in re.findall(r"<script([^>]*)>", text):
            assert "src=" in attributes or "application/json" in attributes
        assert not re.search(r"\son\w+=|\sstyle=|javascript:|<style", text)
        # Nothing third-party: every address is our own.
        assert not re.search(r'(src|href)="(https?:)?//', text)


def test_static_modules_name_no_other_site() -> None:
    folder = Path(__file__).parents[3] / "plugin" / "static"
    for name in ("launch.js", "callback.js"):
        assert "http" not in (folder / name).read_text().replace("http://www.w3.org", "")


def test_documents_and_answers_are_not_cached(client: FlaskClient) -> None:
    for path in ("/launch?ehr=north", "/callback/north", "/api/launch", "/healthz"):
        assert client.get(path).headers["Cache-Control"] == "no-store"


def test_public_keys_are_served_with_cache_control_and_without_private_parts(
    client: FlaskClient,
) -> None:
    answer = client.get("/.well-known/jwks.json")
    assert "max-age=" in answer.headers["Cache-Control"]
    keys = answer.get_json()["keys"]
    assert {key["alg"] for key in keys} == {"ES384", "RS384"}
    for key in keys:
        assert key["kid"]
        assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)


def test_health_says_alive_and_readiness_waits_for_a_worker(
    client: FlaskClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.database.session() as session:
        session.execute(delete(Heartbeat))
    assert client.get("/healthz").get_json() == {"status": "ok"}
    not_ready = client.get("/readyz")
    assert not_ready.status_code == 503
    assert not_ready.get_json()["checks"] == {"database": True, "worker": False}
    beat(services.database, "worker-1")
    assert client.get("/readyz").status_code == 200
    moment = time.time()
    monkeypatch.setattr("plugin.jobs.heartbeat.time.time", lambda: moment + 60)
    assert client.get("/readyz").status_code == 503


def test_access_log_has_the_route_and_no_query_string(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="wetread.access")
    client.get("/callback/north?code=secret-code&state=secret-state")
    client.get("/CLARK-Dan?name=CLARK")
    records = [record for record in caplog.records if record.name == "wetread.access"]
    lines = [json.loads(JsonLines().format(record)) for record in records]
    assert [line["route"] for line in lines] == ["/callback/<ehr_id>", None]
    assert [line["status"] for line in lines] == [200, 404]
    assert "secret" not in str(lines)
    assert "CLARK" not in str(lines)


def test_log_line_of_an_unforeseen_error_names_places_and_not_its_message() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.Logger("wetread.test")
    log.addHandler(handler)
    try:
        raise ValueError("patient CLARK, Dan")
    except ValueError as error:
        log.error("unexpected", exc_info=error)
    line = json.loads(stream.getvalue())
    assert line["event"] == "unexpected"
    assert line["error"]["classes"] == ["builtins.ValueError"]
    assert "test_headers.py" in line["error"]["places"][0]
    assert "CLARK" not in stream.getvalue()


def test_log_line_of_a_library_says_pattern_and_place_and_no_value() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.Logger("urllib3.connection")
    log.addHandler(handler)
    address = "https://ehr.example/Patient?name=CLARK"
    log.warning("Failed to parse headers (url=%s)", address, extra={"answer": "CLARK"})
    log.warning(f"Failed to parse headers (url={address})")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["event"] == "Failed to parse headers (url=%s)"
    assert second["event"] == "message withheld"
    assert "test_headers.py" in first["place"]
    assert first["logger"] == "urllib3.connection"
    assert "CLARK" not in stream.getvalue()


MALFORMED = """
import socket, threading
from plugin.logs import configure_logging
from smart_launch.http import Http

def answer(listener):
    connection, _ = listener.accept()
    connection.recv(65536)
    lines = [b"HTTP/1.1 200 OK", b"broken CLARK", b"Content-Length: 2", b"", b"{}"]
    connection.sendall(b"\\r\\n".join(lines))
    connection.close()

configure_logging("DEBUG")
listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=answer, args=(listener,)).start()
address = f"http://127.0.0.1:{listener.getsockname()[1]}/Patient?name=CLARK"
print(Http().send("GET", address).status)
"""


def test_a_malformed_header_of_a_server_reaches_no_log() -> None:
    command = [sys.executable, "-c", MALFORMED]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "200\n"
    assert "CLARK" not in done.stderr


WARNS = """
import warnings
from plugin.logs import configure_logging

configure_logging("INFO")
warnings.warn("value CLARK is not valid", UserWarning, stacklevel=1)
"""


def test_a_librarys_warning_is_named_by_class_and_place_and_never_quoted() -> None:
    command = [sys.executable, "-c", WARNS]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    line = json.loads(done.stderr)
    assert line["event"] == "library_warning"
    assert line["class"] == "builtins.UserWarning"
    assert line["place"] == "<string>:6"
    assert "CLARK" not in done.stderr


def test_unforeseen_error_becomes_a_page_in_plain_words(settings_app: Flask) -> None:
    answer = settings_app.test_client().get("/breaks", headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert "Something went wrong in Wetread" in answer.text
    assert "CLARK" not in answer.text


@pytest.fixture
def settings_app() -> Flask:
    from plugin.web.access_log import add_access_log
    from plugin.web.problem_pages import add_problem_pages
    from plugin.web.security_headers import add_security_headers

    app = Flask("plugin")
    add_security_headers(app, "https://wetread.example")
    add_access_log(app)
    add_problem_pages(app)

    @app.get("/breaks")
    def breaks() -> str:
        raise ValueError("patient CLARK, Dan")

    return app


def test_https_is_remembered_where_wetread_is_served_over_it(settings_app: Flask) -> None:
    headers = settings_app.test_client().get("/breaks").headers
    assert "max-age" in headers["Strict-Transport-Security"]
