"""Authorization codes, access tokens and refresh tokens (RFC 6749, RFC 7636, RFC 9700).

Everything is kept by SHA-256 digest, in memory: a restart of the demo hospital ends all sessions.
Each authorization is a family: one replayed code or refresh token ends the whole family.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field, replace

from sandbox.access import Access
from sandbox.errors import OAuthError


@dataclass(frozen=True)
class Authorization:
    """What was agreed in one authorization.

    Attributes
    ----------
    client_id : str
        Who may use it.
    user : str or None
        ``Practitioner/<id>`` or ``Patient/<id>``; None for a backend service.
    scopes : tuple of str
        Granted scopes.
    patient, study, encounter, intent, app_context : str or None
        The launch context.
    need_patient_banner : bool
    nonce : str or None
        For the id_token.
    family : str
        Names the tokens that end together.
    began : float
        When, in seconds since the epoch: refreshing does not prolong a sign-in for ever.
    """

    client_id: str
    user: str | None
    scopes: tuple[str, ...]
    patient: str | None = None
    study: str | None = None
    encounter: str | None = None
    intent: str | None = None
    app_context: str | None = None
    need_patient_banner: bool = True
    nonce: str | None = None
    family: str = field(default_factory=lambda: secrets.token_hex(16))
    began: float = field(default_factory=time.time)


@dataclass(frozen=True)
class IssuedTokens:
    """Answer of a token request, before it is put into JSON."""

    access_token: str
    expires_in_s: int
    refresh_token: str | None
    authorization: Authorization


@dataclass(frozen=True)
class _Code:
    authorization: Authorization
    redirect_uri: str
    challenge: str
    expires: float


@dataclass(frozen=True)
class TokenRecord:
    """What is known of a token: its authorization, kind and end (seconds since the epoch)."""

    authorization: Authorization
    kind: str
    issued: float
    expires: float


class GrantBook:
    """All codes and tokens that are good, and the families that have ended.

    Parameters
    ----------
    code_s, access_token_s, refresh_token_s, backend_token_s : int
        Lifetimes in seconds.
    """

    def __init__(
        self, code_s: int, access_token_s: int, refresh_token_s: int, backend_token_s: int = 300
    ) -> None:
        self._code_s = code_s
        self._backend_token_s = backend_token_s
        self._access_token_s = access_token_s
        self._refresh_token_s = refresh_token_s
        self._codes: dict[str, _Code] = {}
        self._used: dict[str, str] = {}  # digest of a used code or refresh token -> family
        self._tokens: dict[str, TokenRecord] = {}
        self._ended: set[str] = set()
        self._lock = threading.Lock()

    def issue_code(self, authorization: Authorization, redirect_uri: str, challenge: str) -> str:
        """Make a code bound to client, redirect URI and PKCE challenge."""
        code = secrets.token_urlsafe(32)
        made = _Code(authorization, redirect_uri, challenge, time.time() + self._code_s)
        with self._lock:
            self._codes[_digest(code)] = made
        return code

    def redeem_code(
        self, code: str, *, client_id: str, redirect_uri: str, verifier: str
    ) -> IssuedTokens:
        """Trade a code for tokens, once.

        Raises
        ------
        OAuthError
            ``invalid_grant``; a replayed code also ends the tokens issued for it (RFC 9700 2.1.1).
        """
        key = _digest(code)
        with self._lock:
            if key in self._used:
                self._ended.add(self._used[key])
                raise OAuthError("invalid_grant", "the code has been used before")
            kept = self._codes.get(key)
            if kept is None or kept.authorization.client_id != client_id:
                raise OAuthError("invalid_grant", "the code is not known for this client")
            # Any attempt by its client uses the code up, so that a verifier cannot be guessed.
            del self._codes[key]
            self._used[key] = kept.authorization.family
            _check_code(kept, redirect_uri, verifier)
            return self._issue(kept.authorization)

    def refresh(
        self, refresh_token: str, *, client_id: str, scopes: tuple[str, ...] | None
    ) -> IssuedTokens:
        """Trade a refresh token for new tokens; the old one is then used up (RFC 9700 2.2.2).

        Raises
        ------
        OAuthError
            ``invalid_grant`` when it is unknown, too old, ended or reused (reuse ends the family).
        """
        key = _digest(refresh_token)
        with self._lock:
            if key in self._used:
                self._ended.add(self._used[key])
                raise OAuthError("invalid_grant", "the refresh token has been used before")
            kept = self._live(key, "refresh")
            if kept is None or kept.authorization.client_id != client_id:
                raise OAuthError("invalid_grant", "the refresh token is not good for this client")
            del self._tokens[key]
            self._used[key] = kept.authorization.family
            return self._issue(kept.authorization, access_scopes=scopes)

    def issue_to_backend(self, client_id: str, scopes: tuple[str, ...]) -> IssuedTokens:
        """Make a short-lived token without a user; it is never refreshed (RFC 6749 4.4.3)."""
        return self.issue_unasked(Authorization(client_id, None, scopes), self._backend_token_s)

    def issue_unasked(self, authorization: Authorization, lifetime_s: int) -> IssuedTokens:
        """Make an access token that nobody traded a code for; it cannot be refreshed."""
        with self._lock:
            self._purge()
            token = self._keep(authorization, "access", time.time() + lifetime_s)
        return IssuedTokens(token, lifetime_s, None, authorization)

    def granted_scopes(self, refresh_token: str, client_id: str) -> tuple[str, ...] | None:
        """Scopes of the authorization behind a refresh token; None when it is not good."""
        with self._lock:
            kept = self._live(_digest(refresh_token), "refresh")
        if kept is None or kept.authorization.client_id != client_id:
            return None
        return kept.authorization.scopes

    def access(self, token: str) -> Access | None:
        """What an access token allows; None when it is not good."""
        with self._lock:
            kept = self._live(_digest(token), "access")
        if kept is None:
            return None
        agreed = kept.authorization
        return Access(agreed.client_id, agreed.user, agreed.patient, agreed.scopes)

    def look_up(self, token: str) -> TokenRecord | None:
        """What is known of a good token of either kind (introspection)."""
        with self._lock:
            return self._live(_digest(token), "access") or self._live(_digest(token), "refresh")

    def revoke(self, token: str, client_id: str) -> None:
        """End a token of this client; a refresh token ends its family (RFC 7009 2.1)."""
        with self._lock:
            kept = self._tokens.get(_digest(token))
            if kept is None or kept.authorization.client_id != client_id:
                return
            if kept.kind == "refresh":
                self._ended.add(kept.authorization.family)
            del self._tokens[_digest(token)]

    def _issue(
        self, authorization: Authorization, access_scopes: tuple[str, ...] | None = None
    ) -> IssuedTokens:
        self._purge()
        access = replace(authorization, scopes=access_scopes or authorization.scopes)
        now = time.time()
        token = self._keep(access, "access", now + self._access_token_s)
        refreshable = {"online_access", "offline_access"} & set(authorization.scopes)
        refresh = None
        if refreshable:
            # A narrower access token does not narrow the refresh token (RFC 6749 6).
            end = authorization.began + self._refresh_token_s
            refresh = self._keep(authorization, "refresh", end)
        return IssuedTokens(token, self._access_token_s, refresh, access)

    def _keep(self, authorization: Authorization, kind: str, end: float) -> str:
        token = secrets.token_urlsafe(32)
        self._tokens[_digest(token)] = TokenRecord(authorization, kind, time.time(), end)
        return token

    def _live(self, key: str, kind: str) -> TokenRecord | None:
        kept = self._tokens.get(key)
        if kept is None or kept.kind != kind or kept.expires <= time.time():
            return None
        return None if kept.authorization.family in self._ended else kept

    def _purge(self) -> None:
        now = time.time()
        self._tokens = {k: v for k, v in self._tokens.items() if v.expires > now}
        self._codes = {k: v for k, v in self._codes.items() if v.expires > now}


def _check_code(kept: _Code, redirect_uri: str, verifier: str) -> None:
    if kept.expires <= time.time():
        raise OAuthError("invalid_grant", "the code is too old")
    if kept.redirect_uri != redirect_uri:
        raise OAuthError("invalid_grant", "redirect_uri must be that of the authorization request")
    if not hmac.compare_digest(kept.challenge, s256(verifier)):
        raise OAuthError("invalid_grant", "code_verifier does not match the code_challenge")


def s256(verifier: str) -> str:
    """PKCE transformation S256 (RFC 7636 4.2)."""
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
