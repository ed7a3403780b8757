"""A small authorization server that does what a test tells it to: correct, sloppy or evil.

It shares no code with the sandbox or the plugin, and counts every request that reaches it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import ECKey
from werkzeug.serving import BaseWSGIServer, make_server

CLIENT_ID = "wetread"
SCOPES = (
    "launch openid fhirUser online_access patient/Patient.r patient/ImagingStudy.rs "
    "user/Endpoint.r patient/DiagnosticReport.crus patient/Observation.crus patient/Provenance.c"
)


@dataclass
class Behaviour:
    """What a test may bend; the defaults are those of a correct server."""

    token: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    sign_with: str = "own"
    fhir_user: str = "Practitioner/1"
    expires_in: int = 3600
    refresh_delay_s: float = 0.0
    refresh_error: str | None = None
    refresh_status: int = 400
    rotate: bool = True
    discovery: dict[str, Any] = field(default_factory=dict)
    introspection: dict[str, Any] = field(default_factory=dict)
    introspection_status: int = 200
    backend: dict[str, Any] = field(default_factory=dict)
    backend_status: int = 200
    style: Any = None


class Hospital:
    """The running server."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.revoked: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.patients: dict[str, str] = {}
        self.refresh_tokens: set[str] = set()
        self.key = ECKey.generate_key("P-384", {"kid": "hospital", "use": "sig", "alg": "ES384"})
        self._foreign = ECKey.generate_key("P-384", {"kid": "hospital"})
        self._lock = threading.Lock()
        self._server: BaseWSGIServer = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.issuer = f"{self.base}/fhir"

    def __enter__(self) -> Hospital:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def sign_in(self, authorize: str) -> dict[str, str]:
        """The user signs in: what the browser would carry to the redirect URI."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(authorize).query).items()}
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def paths(self, ending: str) -> int:
        """How many requests ended so."""
        return sum(path.endswith(ending) for _, path, _ in self.requests)

    def _app(self) -> Flask:
        app = Flask("hospital")

        @app.before_request
        def count() -> None:
            self.requests.append((request.method, request.path, dict(request.form)))

        app.get("/fhir/.well-known/smart-configuration")(self._discovery)
        app.get("/jwks")(lambda: jsonify(keys=[self.key.as_dict(private=False)]))
        app.post("/token")(self._token)
        app.post("/revoke")(self._revoke)
        app.post("/introspect")(self._introspect)
        app.get("/style.json")(self._style)
        return app

    def _discovery(self) -> Any:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "revocation_endpoint": f"{self.base}/revoke",
            "jwks_uri": f"{self.base}/jwks",
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "client-public"],
        }
        return jsonify(document | self.behaviour.discovery)

    def _revoke(self) -> Any:
        self.revoked.append(request.form["token"])
        return ""

    def _introspect(self) -> Any:
        told = {"active": True, "client_id": CLIENT_ID, "patient": "p-1", "sub": "user-1"}
        return jsonify(told | self.behaviour.introspection), self.behaviour.introspection_status

    def _style(self) -> Any:
        found = self.behaviour.style
        return jsonify(found) if isinstance(found, dict) else found

    def _token(self) -> Any:
        if request.form["grant_type"] == "client_credentials":
            return self._backend_token()
        if request.form["grant_type"] == "refresh_token":
            return self._refresh()
        asked = self.codes.pop(request.form["code"], None)
        verifier = request.form["code_verifier"].encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
        if asked is None or challenge.decode() != asked["code_challenge"]:
            return jsonify(error="invalid_grant"), 400
        patient = self.patients.get(request.form["code"], "p-1")
        answer = self._tokens() | {"patient": patient, "id_token": self._id_token(asked["nonce"])}
        answer |= self.behaviour.token
        for name in self.behaviour.leave_out:
            answer.pop(name)
        return jsonify(answer)

    def _refresh(self) -> Any:
        time.sleep(self.behaviour.refresh_delay_s)
        if self.behaviour.refresh_error:
            return jsonify(error=self.behaviour.refresh_error), self.behaviour.refresh_status
        with self._lock:
            given = request.form["refresh_token"]
            if given not in self.refresh_tokens:
                return jsonify(error="invalid_grant"), 400
            if self.behaviour.rotate:
                self.refresh_tokens.discard(given)
        return jsonify(self._tokens())

    def _backend_token(self) -> Any:
        answer = {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "bearer",
            "expires_in": self.behaviour.expires_in,
            "scope": request.form["scope"],
        }
        return jsonify(answer | self.behaviour.backend), self.behaviour.backend_status

    def _tokens(self) -> dict[str, Any]:
        refresh = secrets.token_urlsafe(16)
        self.refresh_tokens.add(refresh)
        return {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": self.behaviour.expires_in,
            "scope": SCOPES,
            "refresh_token": refresh,
        }

    def _id_token(self, nonce: str) -> str:
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "user-1",
            "nonce": nonce,
            "iat": int(time.time()),
            "exp": int(time.time()) + 300,
            "fhirUser": self.behaviour.fhir_user,
        }
        claims |= self.behaviour.claims
        if self.behaviour.sign_with == "none":
            parts = ({"alg": "none"}, claims)
            encoded = (base64.urlsafe_b64encode(jsonify(part).data).rstrip(b"=") for part in parts)
            return ".".join(one.decode() for one in encoded) + "."
        key = self.key if self.behaviour.sign_with == "own" else self._foreign
        header = {"alg": "ES384", "kid": "hospital"}
        return jwt.encode(header, claims, key, algorithms=["ES384"])
