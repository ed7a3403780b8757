"""Wetread on a port of its own, registered with the strict demo hospital; and what went between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from flask import Flask
from joserfc.jws import extract_compact
from werkzeug.serving import BaseWSGIServer, make_server

from plugin import create_app
from plugin.ehrs import Ehr
from plugin.launching.handles import EXTENSION
from plugin.launching.keys import SecretKeys
from plugin.launching.launches import OpenLaunch
from plugin.scopes import BACKEND_SCOPES, DEFAULT_SCOPES
from plugin.services import Services
from plugin.settings import Settings
from sandbox.clients import Client
from sandbox.launches import Launch
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from tests.plugin.launch.conftest import read_page

MRN = "https://hospital.example/mrn"
SECRET = "s:e/c r&e+t%"


@dataclass(frozen=True)
class Sent:
    """One request that arrived at the hospital."""

    method: str
    path: str
    form: dict[str, str]
    authorization: str | None
    query: dict[str, str]
    accept: str | None

    @property
    def kid(self) -> str:
        """The key that signed its client assertion."""
        header = extract_compact(self.form["client_assertion"].encode()).headers()
        return str(header["kid"])


@dataclass
class Wire:
    """Around the hospital's WSGI application: notes every request, and passes it on unchanged."""

    inner: Callable[..., Iterable[bytes]]
    sent: list[Sent] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        is_form = environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
        form = dict(parse_qsl(body.decode())) if is_form else {}
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        bearer, accept = environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_ACCEPT")
        self.sent.append(Sent(method, path, form, bearer, query, accept))
        return self.inner(environ, start)

    def at(self, path: str) -> list[Sent]:
        """Requests to one path, in order of arrival."""
        return [one for one in self.sent if one.path == path]


class WetreadAtSandbox:
    """The hospital, and a Wetread that can be started again with other keys.

    Parameters
    ----------
    folder : Path
        Empty.
    keys : SecretKeys
        To begin with.
    **hospital
        Settings of the hospital.
    """

    def __init__(self, folder: Path, keys: SecretKeys, **hospital: Any) -> None:
        self._folder, self.keys = folder, keys
        self._registered: dict[str, Any] = {}
        self._server: BaseWSGIServer = make_server("127.0.0.1", 0, Flask("none"), threaded=True)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}"
        self.hospital = RunningSandbox(
            SandboxSettings(
                data_dir=folder / "hospital", clients=self._clients(), port=0, **hospital
            )
        )
        self.wire = Wire(self.hospital.app.wsgi_app)
        self.hospital.app.wsgi_app = self.wire  # type: ignore[method-assign, assignment]
        self.app = self.start(keys)

    def _clients(self) -> tuple[Client, ...]:
        jwks_url = f"{self.base_url}/.well-known/jwks.json"
        wetread = Client(
            "wetread",
            "Wetread",
            "private_key",
            (f"{self.base_url}/callback/north",),
            f"{self.base_url}/launch",
            " ".join(DEFAULT_SCOPES),
            jwks_url=jwks_url,
        )
        backend = replace(
            wetread,
            client_id="wetread-backend",
            redirect_uris=(),
            launch_url="",
            scopes=" ".join(BACKEND_SCOPES),
            grant_types=("client_credentials",),
        )
        public = replace(wetread, client_id="wetread-public", type="public", jwks_url=None)
        secret = replace(public, client_id="wetread-secret", type="secret", secret=SECRET)
        return wetread, public, secret, backend

    @property
    def ehr(self) -> Ehr:
        """The hospital's entry."""
        entry = Ehr(
            id="north",
            name="North Hospital",
            issuer=self.hospital.fhir_base,
            client_id="wetread",
            authentication="private_key",
            send_jwks_url=True,
            backend_client_id="wetread-backend",
            patient_id_systems={"HOSPITAL": MRN},
            write="transaction-put",
            redirect_uri=f"{self.base_url}/callback/north",
        )
        return replace(entry, **self._registered)

    @property
    def services(self) -> Services:
        """Those of the Wetread that runs now."""
        found: Services = self.app.extensions[EXTENSION]
        return found

    def start(self, keys: SecretKeys, **registered: Any) -> Flask:
        """Start a Wetread with these keys and changes of its entry; it answers from now on."""
        self._registered = registered
        settings = Settings(
            base_url=self.base_url,
            data_dir=self._folder / "wetread",
            secret_keys=keys.dump(),
            ehrs=(self.ehr,),
        )
        self.keys, self.app = keys, create_app(settings)
        self._server.app = self.app
        return self.app

    def open(self, patient: str = "clark-dan", **context: Any) -> str:
        """Launch from the chart, as viewer and browser do; gives the handle."""
        launch = Launch(self.ehr.client_id, "Practitioner/demo-radiologist", patient, **context)
        code = self.hospital.app.extensions["sandbox"].launches.mint(launch)
        client = self.app.test_client()
        query = {"iss": self.hospital.fhir_base, "launch": code}
        page = read_page(client.get("/launch", query_string=query))
        redirect = requests.get(page.authorize, allow_redirects=False, timeout=10)
        answer = dict(parse_qsl(urlsplit(redirect.headers["Location"]).query))
        body = {name: answer[name] for name in ("code", "state", "iss") if name in answer}
        posted = client.post(
            "/callback/north",
            json=body | {"binder": page.binder},
            headers={"Origin": self.base_url},
        )
        assert posted.status_code == 200, posted.text
        handle: str = posted.get_json()["handle"]
        return handle

    def open_launch(self, **context: Any) -> OpenLaunch:
        """Launch from the chart; gives the launch as the services know it."""
        return self.services.launches.by_handle(self.open(**context))

    @contextmanager
    def running(self) -> Iterator[WetreadAtSandbox]:
        """Answer on both ports."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with self.hospital:
                yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
            self.services.database.close()
