"""Client secrets and client assertions (SMART 2.2; RFC 6749 2.3.1; RFC 7523)."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote_plus

import pytest
import requests
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from sandbox.server import RunningSandbox
from tests.sandbox.conftest import ES384, JWKS, RS384, open_hospital, register
from tests.sandbox.smart_client import SmartClient

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SECRET = "se:cret/+ é"


def basic(client_id: str, secret: str) -> dict[str, str]:
    joined = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": f"Basic {base64.b64encode(joined.encode()).decode()}"}


@pytest.fixture
def secret_client(hospital: RunningSandbox) -> SmartClient:
    return SmartClient(hospital, "with-secret")


@pytest.fixture
def key_client(hospital: RunningSandbox) -> SmartClient:
    return SmartClient(hospital, "with-keys")


def test_secret_in_the_basic_header_is_taken(secret_client: SmartClient) -> None:
    form = secret_client.code_form(secret_client.code())
    response = secret_client.token(form, headers=basic("with-secret", SECRET))
    assert response.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        basic("with-secret", "wrong"),
        basic("wetread", SECRET),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer abc"},
        {"Authorization": "Basic " + base64.b64encode(b"nocolon").decode()},
        {},
    ],
)
def test_wrong_secrets_are_answered_with_401(
    secret_client: SmartClient, header: dict[str, str]
) -> None:
    form = secret_client.code_form(secret_client.code())
    response = secret_client.token(form, headers=header)
    assert response.status_code == 401
    assert response.json()["error"] == "invalid_client"
    assert response.headers["WWW-Authenticate"].startswith("Basic")


def test_secret_in_the_body_is_refused(secret_client: SmartClient) -> None:
    form = secret_client.code_form(secret_client.code(), client_secret=SECRET)
    assert secret_client.token(form).json()["error"] == "invalid_client"
    both = secret_client.token(form, headers=basic("with-secret", SECRET))
    assert both.json()["error"] == "invalid_request"


def test_client_id_in_the_body_must_be_the_authenticated_one(secret_client: SmartClient) -> None:
    form = secret_client.code_form(secret_client.code(), client_id="wetread")
    response = secret_client.token(form, headers=basic("with-secret", SECRET))
    assert response.json()["error"] == "invalid_client"


def claims_for(client: SmartClient, **changes: Any) -> dict[str, Any]:
    right = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": client.hospital.settings.token_url,
        "exp": int(time.time()) + 300,
        "jti": str(uuid.uuid4()),
    }
    return {k: v for k, v in {**right, **changes}.items() if v is not None}


def assertion_for(
    client: SmartClient, key: Any = ES384, header: dict[str, Any] | None = None, **changes: Any
) -> str:
    algorithm = {"EC": "ES384", "RSA": "RS384"}.get(key.key_type, "HS256")
    right = {"alg": algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}
    named = {k: v for k, v in right.items() if v is not None}
    claims = json.dumps(claims_for(client, **changes))
    # jws, because jwt would put a typ back that a test took out.
    return jws.serialize_compact(named, claims, key, algorithms=[named["alg"]])


def exchange(client: SmartClient, assertion: str, **changes: str | None) -> requests.Response:
    right = {
        "client_assertion": assertion,
        "client_assertion_type": ASSERTION_TYPE,
        "client_id": None,
    }
    return client.token(client.code_form(client.code(), **{**right, **changes}))


@pytest.mark.parametrize("key", [ES384, RS384], ids=["ES384", "RS384"])
def test_assertion_of_either_algorithm_is_taken(key_client: SmartClient, key: Any) -> None:
    assert exchange(key_client, assertion_for(key_client, key)).status_code == 200


def test_audience_may_be_a_list(key_client: SmartClient) -> None:
    audience = [key_client.hospital.settings.token_url]
    assert exchange(key_client, assertion_for(key_client, aud=audience)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"iss": "other"}, "iss and sub"),
        ({"sub": "wetread"}, "not registered for this"),
        ({"aud": "http://localhost/auth/token"}, "aud must be"),
        ({"aud": None}, "aud must be"),
        ({"exp": None}, "exp must be a number"),
        ({"exp": "soon"}, "exp must be a number"),
        ({"exp": 0}, "exp must lie"),
        ({"exp": 99999999999}, "exp must lie"),
        ({"nbf": 99999999999}, "nbf must not"),
        ({"jti": None}, "jti is needed"),
        ({"jti": ""}, "jti is needed"),
    ],
)
def test_assertions_with_wrong_claims_are_refused(
    key_client: SmartClient, changes: dict[str, Any], rule: str
) -> None:
    response = exchange(key_client, assertion_for(key_client, **changes))
    assert response.status_code == 401
    assert rule in response.json()["error_description"]


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        ({"typ": None}, "typ must be JWT"),
        ({"typ": "at+jwt"}, "typ must be JWT"),
        ({"kid": None}, "kid is needed"),
        ({"kid": "unknown"}, "kid must name"),
        ({"kid": "rsa"}, "signature"),
        ({"jku": "https://evil.example/jwks"}, "jku must be"),
    ],
)
def test_assertions_with_wrong_headers_are_refused(
    key_client: SmartClient, header: dict[str, Any], rule: str
) -> None:
    response = exchange(key_client, assertion_for(key_client, header=header))
    assert response.status_code == 401
    assert rule in response.json()["error_description"]


def test_assertion_by_a_foreign_key_is_refused(key_client: SmartClient) -> None:
    foreign = ECKey.generate_key("P-384", {"kid": "ec"})
    response = exchange(key_client, assertion_for(key_client, foreign))
    assert "signature" in response.json()["error_description"]


def test_unsigned_and_symmetric_assertions_are_refused(key_client: SmartClient) -> None:
    public = OctKey.import_key(json.dumps(JWKS).encode(), {"kid": "ec"})
    with_public_key = assertion_for(key_client, public)
    assert "alg must be" in exchange(key_client, with_public_key).json()["error_description"]

    def encoded(part: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    header = encoded({"alg": "none", "typ": "JWT", "kid": "ec"})
    unsigned = f"{header}.{encoded(claims_for(key_client))}."
    assert exchange(key_client, unsigned).json()["error"] == "invalid_client"
    assert exchange(key_client, "not a token").json()["error"] == "invalid_client"


def test_assertion_is_good_once(key_client: SmartClient) -> None:
    assertion = assertion_for(key_client)
    assert exchange(key_client, assertion).status_code == 200
    again = exchange(key_client, assertion)
    assert "used before" in again.json()["error_description"]


def test_assertion_type_must_be_named(key_client: SmartClient) -> None:
    assertion = assertion_for(key_client)
    response = exchange(key_client, assertion, client_assertion_type="other")
    assert response.json()["error"] == "invalid_request"


def test_assertion_and_basic_header_together_are_refused(key_client: SmartClient) -> None:
    form = key_client.code_form(
        key_client.code(),
        client_assertion=assertion_for(key_client),
        client_assertion_type=ASSERTION_TYPE,
    )
    response = key_client.token(form, headers=basic("with-secret", SECRET))
    assert response.json()["error"] == "invalid_request"


def test_client_with_keys_may_not_come_as_a_public_one(key_client: SmartClient) -> None:
    response = key_client.token(key_client.code_form(key_client.code()))
    assert response.json()["error"] == "invalid_client"


def introspect(client: SmartClient, token: str) -> dict[str, Any]:
    form = {"token": token, "client_assertion": assertion_for(client)}
    form["client_assertion_type"] = ASSERTION_TYPE
    address = f"{client.hospital.base_url}/auth/introspect"
    return requests.post(address, data=form, timeout=10).json()


def test_introspection_tells_a_client_about_its_own_tokens_only(
    key_client: SmartClient, client: SmartClient
) -> None:
    own = exchange(key_client, assertion_for(key_client)).json()["access_token"]
    found = introspect(key_client, own)
    assert found["active"] is True
    assert found["client_id"] == "with-keys"
    assert found["patient"] == "clark-dan"
    assert found["fhirUser"].endswith("/Practitioner/demo-radiologist")
    assert found["exp"] > time.time()
    assert introspect(key_client, client.launch()["access_token"]) == {"active": False}
    assert introspect(key_client, "made-up") == {"active": False}


class _KeyServer(BaseHTTPRequestHandler):
    served: ClassVar[dict[str, Any]] = {}
    requests = 0

    def do_GET(self) -> None:
        type(self).requests += 1
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(self.served).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def key_server() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _KeyServer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_by_address_are_fetched_kept_and_fetched_again_for_a_new_key(
    tmp_path: Path, key_server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.authorization.assertions.REFETCH_AFTER_S", 0)
    address = f"http://127.0.0.1:{key_server.server_port}/jwks"
    registered = register("with-address", "private_key", jwks_url=address)
    with open_hospital(tmp_path, clients=(registered,)) as server:
        client = SmartClient(server, "with-address")
        _KeyServer.served, _KeyServer.requests = JWKS, 0
        assert exchange(client, assertion_for(client)).status_code == 200
        assert exchange(client, assertion_for(client, header={"jku": address})).status_code == 200
        assert _KeyServer.requests == 1
        renewed = ECKey.generate_key("P-384", {"kid": "renewed"})
        _KeyServer.served = {"keys": [renewed.as_dict(private=False)]}
        assert exchange(client, assertion_for(client, renewed)).status_code == 200
        assert _KeyServer.requests == 2


def test_key_address_that_does_not_answer_is_an_invalid_client(tmp_path: Path) -> None:
    registered = register("with-address", "private_key", jwks_url="http://127.0.0.1:9/jwks")
    with open_hospital(tmp_path, clients=(registered,)) as server:
        client = SmartClient(server, "with-address")
        response = exchange(client, assertion_for(client))
    assert response.json()["error"] == "invalid_client"
    assert "could not be fetched" in response.json()["error_description"]
