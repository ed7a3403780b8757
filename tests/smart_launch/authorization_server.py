"""A small EHR authorization server for the tests: strict, unless a test makes it sloppy.

It shares no code with the client under test: tokens are signed and assertions are checked here
with joserfc directly.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.smart_launch.loopback import Asked, Loopback, Says

PATIENT, USER = "pat-1", "Practitioner/doc-1"


@cache
def rsa_key(kid: str | None) -> RSAKey:
    """One RSA key for each name: making them is slow."""
    return RSAKey.generate_key(2048, parameters={"kid": kid} if kid else None)


@cache
def ec_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", parameters={"kid": kid})


class AuthorizationServer:
    """Discovery, token endpoint, JWKS and revocation under one base address.

    Attributes
    ----------
    id_claims, id_header, token_answer : dict
        Overrides of what is sent; a value of None leaves the member out.
    secret, client_jwks : how the client must prove itself; both None for a public one
    """

    def __init__(self, book: Loopback) -> None:
        self.book = book
        self.base = book.url + "/fhir"
        self.issuer = self.base
        self.client_id = "wetread test"
        self.secret: str | None = None
        self.client_jwks: dict[str, Any] | None = None
        self.signing_key: Any = rsa_key("key-1")
        self.algorithm = "RS256"
        self.published = [rsa_key("key-1").as_dict(private=False)]
        self.id_claims: dict[str, Any] = {}
        self.id_header: dict[str, Any] = {}
        self.token_answer: dict[str, Any] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.refresh_tokens: set[str] = set()
        self.seen_jtis: set[str] = set()
        self.revoked: list[str] = []
        self.configuration: dict[str, Any] = {
            "issuer": self.issuer,
            "jwks_uri": book.url + "/jwks",
            "authorization_endpoint": book.url + "/authorize",
            "token_endpoint": book.url + "/token",
            "revocation_endpoint": book.url + "/revoke",
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": ["authorization_code"],
            "capabilities": ["launch-ehr", "sso-openid-connect"],
        }
        book.says(
            "GET",
            "/fhir/.well-known/smart-configuration",
            lambda _: Says(body=self.configuration),
        )
        book.says("GET", "/jwks", lambda _: Says(body={"keys": self.published}))
        book.says("POST", "/token", self._token)
        book.says("POST", "/revoke", self._revoke)

    def authorize(self, url: str) -> tuple[str, str]:
        """Act as the browser and the user who agrees: code and state of the redirect."""
        assert url.startswith(self.book.url + "/authorize?")
        query = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
        assert query["response_type"] == "code"
        assert query["client_id"] == self.client_id
        assert query["aud"] == self.base
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return code, query["state"]

    def id_token(self, nonce: str | None) -> str:
        claims = {
            "iss": self.issuer,
            "sub": "user-1",
            "aud": self.client_id,
            "nonce": nonce,
            "iat": int(time.time()),
            "exp": int(time.time()) + 300,
            "fhirUser": f"{self.base}/{USER}",
            **self.id_claims,
        }
        header = {"alg": self.algorithm, "kid": self.signing_key.kid, **self.id_header}
        return jwt.encode(
            {k: v for k, v in header.items() if v is not None},
            {k: v for k, v in claims.items() if v is not None},
            self.signing_key,
            algorithms=[header["alg"]],
        )

    def _token(self, asked: Asked) -> Says:
        form = asked.form
        if not self._knows_client(asked):
            return Says(401, {"error": "invalid_client", "error_description": "who is this?"})
        if form["grant_type"] == "refresh_token":
            return self._refreshed(form)
        asked_for = self.codes.pop(form.get("code", ""), None)
        if asked_for is None or form.get("redirect_uri") != asked_for["redirect_uri"]:
            return Says(400, {"error": "invalid_grant"})
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked_for["code_challenge"]:
            return Says(400, {"error": "invalid_grant"})
        return self._tokens(asked_for["scope"], asked_for.get("nonce"))

    def _refreshed(self, form: dict[str, str]) -> Says:
        if form["refresh_token"] not in self.refresh_tokens:
            return Says(400, {"error": "invalid_grant"})
        self.refresh_tokens.remove(form["refresh_token"])
        return self._tokens(form.get("scope", "patient/Patient.r"), None)

    def _tokens(self, scope: str, nonce: str | None) -> Says:
        refresh_token = secrets.token_urlsafe(16)
        self.refresh_tokens.add(refresh_token)
        answer = {
            "access_token": secrets.token_urlsafe(16),
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": scope,
            "refresh_token": refresh_token,
            "patient": PATIENT,
            "id_token": self.id_token(nonce) if nonce is not None else None,
            **self.token_answer,
        }
        return Says(body={k: v for k, v in answer.items() if v is not None})

    def _knows_client(self, asked: Asked) -> bool:
        if self.client_jwks is not None:
            return self._accepts_assertion(asked.form)
        header = asked.headers.get("Authorization")
        if self.secret is None:
            return header is None and asked.form.get("client_id") == self.client_id
        if header is None or not header.startswith("Basic "):
            return False
        name, _, word = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return (unquote_plus(name), unquote_plus(word)) == (self.client_id, self.secret)

    def _accepts_assertion(self, form: dict[str, str]) -> bool:
        assert form["client_assertion_type"].endswith(":jwt-bearer")
        keys = KeySet.import_key_set(self.client_jwks)  # type: ignore[arg-type]
        token = jwt.decode(form["client_assertion"], keys, algorithms=["ES384", "RS384"])
        claims = token.claims
        assert token.header["typ"] == "JWT"
        assert claims["iss"] == claims["sub"] == self.client_id
        assert claims["aud"] == self.configuration["token_endpoint"]
        assert time.time() < claims["exp"] <= time.time() + 300
        assert claims["jti"] not in self.seen_jtis
        self.seen_jtis.add(claims["jti"])
        return True

    def _revoke(self, asked: Asked) -> Says:
        if not self._knows_client(asked):
            return Says(401, {"error": "invalid_client"})
        self.revoked.append(asked.form["token"])
        self.refresh_tokens.discard(asked.form["token"])
        return Says(200)
