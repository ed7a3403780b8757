"""Whole launches of the application at the strict demo hospital, read on the wire.

The demo hospital shares no code with the application, fetches its keys from the address that was
registered, and refuses every mistake of a client: docs/smart-conformance.md.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from flask import Flask
from joserfc import jws
from werkzeug.serving import make_server

from plugin import create_app
from plugin.ehrs import Ehr
from plugin.launching.handles import EXTENSION
from plugin.services import Services
from plugin.settings import Settings
from sandbox.clients import Client
from sandbox.launches import Launch
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from tests.plugin.launch.conftest import free_port, read_page
from tests.plugin.launch.hospital import SCOPES

pytestmark = pytest.mark.integration

SECRET = "s:e/c r&e+t%"
PATIENT = "clark-dan"


@dataclass(frozen=True)
class Sent:
    """One request to the demo hospital, as it arrived."""

    method: str
    path: str
    query: dict[str, str] = field(repr=False)
    form: dict[str, str] = field(repr=False)
    authorization: str | None = field(repr=False)
    accept: str | None = None


class Wire:
    """Notes every request on its way to the demo hospital."""

    def __init__(self, app: Flask) -> None:
        self.sent: list[Sent] = []
        self._inner: Callable[..., Iterable[bytes]] = app.wsgi_app
        app.wsgi_app = self  # type: ignore[method-assign, assignment]

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
        self.sent.append(
            Sent(
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"],
                dict(parse_qsl(environ["QUERY_STRING"])),
                dict(parse_qsl(body.decode())) if form else {},
                environ.get("HTTP_AUTHORIZATION"),
                environ.get("HTTP_ACCEPT"),
            )
        )
        return self._inner(environ, start)

    def at(self, ending: str) -> list[Sent]:
        """Requests to an address with this end."""
        return [one for one in self.sent if one.path.endswith(ending)]


@dataclass(frozen=True)
class Place:
    """The demo hospital, what it was sent, and where the application will listen."""

    sandbox: RunningSandbox
    wire: Wire
    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    port = free_port()
    base = f"http://127.0.0.1:{port}"

    def client(kind: Any, **more: Any) -> Client:
        return Client(
            kind, kind, kind, (f"{base}/callback/north",), f"{base}/launch", scopes=SCOPES, **more
        )

    clients = (
        client("public"),
        client("secret", secret=SECRET),
        client("private_key", jwks_url=f"{base}/.well-known/jwks.json"),
    )
    settings = SandboxSettings(
        data_dir=tmp_path_factory.mktemp("hospital"), clients=clients, port=0
    )
    sandbox = RunningSandbox(settings)
    with sandbox:
        yield Place(sandbox, Wire(sandbox.app), port)


@contextmanager
def serving(place: Place, folder: Path, secret_keys: str, **ehr: Any) -> Iterator[Services]:
    """The application on its port, registered at the demo hospital in one way."""
    registered = Ehr(
        id="north",
        name="North Hospital",
        issuer=place.sandbox.fhir_base,
        redirect_uri=f"{place.base_url}/callback/north",
        **ehr,
    )
    settings = Settings(
        base_url=place.base_url, data_dir=folder, secret_keys=secret_keys, ehrs=(registered,)
    )
    app = create_app(settings)
    server = make_server("127.0.0.1", place.port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    services: Services = app.extensions[EXTENSION]
    try:
        yield services
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        services.database.close()


def opened(place: Place, client_id: str, **chart: Any) -> str:
    """Launch as viewer, browser and page together; give the handle."""
    book = place.sandbox.app.extensions["sandbox"].launches
    code = book.mint(Launch(client_id, "Practitioner/demo-radiologist", patient=PATIENT, **chart))
    with requests.Session() as browser:
        query = {"iss": place.sandbox.fhir_base, "launch": code}
        page = browser.get(f"{place.base_url}/launch", params=query, timeout=10)
        held = read_page(page)  # type: ignore[arg-type]
        back = browser.get(held.authorize, allow_redirects=False, timeout=10)
        address = urlsplit(back.headers["Location"])
        assert address.path == "/callback/north"
        body = dict(parse_qsl(address.query)) | {"binder": held.binder}
        answer = browser.post(f"{place.base_url}/callback/north", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    handle: str = answer.json()["handle"]
    return handle


KINDS = pytest.mark.parametrize(
    "ehr",
    [
        {"client_id": "public", "authentication": "public"},
        {"client_id": "secret", "authentication": "secret", "client_secret": SECRET},
        {"client_id": "private_key", "authentication": "private_key"},
        {"client_id": "private_key", "authentication": "private_key", "send_jwks_url": True}
        | {"signing_algorithm": "RS384"},
    ],
    ids=["public", "secret", "ES384", "RS384 with jku"],
)


@KINDS
def test_the_application_launches_renews_and_ends_as_each_kind_of_client(
    place: Place, tmp_path: Path, secret_keys: str, ehr: dict[str, Any]
) -> None:
    place.wire.sent.clear()
    with serving(place, tmp_path / "data", secret_keys, **ehr) as services:
        handle = opened(place, ehr["client_id"])
        launch = services.launches.by_handle(handle)
        assert (launch.context.patient, launch.missing) == (PATIENT, ())
        first = services.tokens.access_token(launch.id)
        assert services.tokens.fhir_client(launch.id).read("Patient", PATIENT)["id"] == PATIENT
        second = services.tokens.access_token(launch.id, rejected=first)
        assert reads(place, second) == 200
        end = f"{place.base_url}/api/launch/end"
        assert requests.post(end, headers={"Wetread-Handle": handle}, timeout=10).ok
        # The hospital itself says that the sign-in is over, for both access tokens.
        assert (reads(place, first), reads(place, second)) == (401, 401)
    check_wire(place, ehr)


def test_an_intent_that_is_unknown_opens_the_page_that_opens_without_one(
    place: Place, tmp_path: Path, secret_keys: str
) -> None:
    told = []
    with serving(place, tmp_path / "data", secret_keys, client_id="public"):
        for intent in (None, "make-coffee", "<script>alert(1)</script>"):
            headers = {"Wetread-Handle": opened(place, "public", intent=intent)}
            answer = requests.get(f"{place.base_url}/api/launch", headers=headers, timeout=10)
            assert answer.status_code == 200
            told.append(answer.json())
    intents = [one.pop("intent") for one in told]
    assert intents[0] is None
    assert told[0] == told[1] == told[2]
    assert told[0]["study"] is None


def reads(place: Place, token: str) -> int:
    address = f"{place.sandbox.fhir_base}/Patient/{PATIENT}"
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(address, headers=headers, timeout=10).status_code


def check_wire(place: Place, ehr: dict[str, Any]) -> None:
    """Compare what was sent with what SMART asks for, request by request."""
    (discovery,) = place.wire.at("/.well-known/smart-configuration")
    assert (discovery.method, discovery.accept) == ("GET", "application/json")
    (authorize,) = place.wire.at("/authorize")
    assert authorize.method == "GET"
    assert authorize.query["response_type"] == "code"
    assert authorize.query["client_id"] == ehr["client_id"]
    assert authorize.query["aud"] == place.sandbox.fhir_base
    assert authorize.query["redirect_uri"] == f"{place.base_url}/callback/north"
    assert authorize.query["code_challenge_method"] == "S256"
    assert not {"max_age", "auth_time", "prompt"} & authorize.query.keys()
    code, renewal = place.wire.at("/token")
    assert code.form["grant_type"] == "authorization_code"
    assert code.form["redirect_uri"] == authorize.query["redirect_uri"]
    assert renewal.form["grant_type"] == "refresh_token"
    assert "scope" not in renewal.form
    revocations = place.wire.at("/revoke")
    assert {one.form["token_type_hint"] for one in revocations} == {"refresh_token", "access_token"}
    # A public client proves nothing, so it has no say at the introspection endpoint.
    introspections = place.wire.at("/introspect")
    assert len(introspections) == (0 if ehr["authentication"] == "public" else 1)
    for sent in (code, renewal, *introspections, *revocations):
        assert (sent.method, sent.query) == ("POST", {})
        check_proof(place, ehr, sent)


def check_proof(place: Place, ehr: dict[str, Any], sent: Sent) -> None:
    kind = ehr["authentication"]
    assert sent.form.get("client_id") == ("public" if kind == "public" else None)
    assert "client_secret" not in sent.form
    assert bool(sent.authorization) is (kind == "secret")
    if sent.authorization:
        pair = base64.b64decode(sent.authorization.removeprefix("Basic ")).decode()
        assert pair == "secret:s%3Ae%2Fc+r%26e%2Bt%25"
    assert ("client_assertion" in sent.form) is (kind == "private_key")
    if kind == "private_key":
        header = jws.extract_compact(sent.form["client_assertion"].encode()).headers()
        named = ehr.get("send_jwks_url", False)
        address = f"{place.base_url}/.well-known/jwks.json"
        assert header.get("jku") == (address if named else None)
        assert header["alg"] == ehr.get("signing_algorithm", "ES384")
