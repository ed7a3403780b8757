"""Sign-ins under way: a standalone launch between its request and the user's consent."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field, replace

from sandbox.authorization.authorization_request import AuthorizationRequest

LIFETIME_S = 600


@dataclass(frozen=True)
class PendingSignIn:
    """One sign-in, bound to one browser by a cookie and to its own forms by a CSRF token."""

    request: AuthorizationRequest
    user: str | None = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    browser: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    expires: float = field(default_factory=lambda: time.monotonic() + LIFETIME_S)


class PendingBook:
    """The sign-ins that are under way."""

    def __init__(self) -> None:
        self._open: dict[str, PendingSignIn] = {}
        self._lock = threading.Lock()

    def begin(self, request: AuthorizationRequest) -> PendingSignIn:
        """Remember a checked request until the user has decided."""
        made = PendingSignIn(request)
        now = time.monotonic()
        with self._lock:
            self._open = {key: kept for key, kept in self._open.items() if kept.expires > now}
            self._open[made.id] = made
        return made

    def find(self, sign_in_id: str, browser: str) -> PendingSignIn | None:
        """The sign-in with this id, if it belongs to this browser and is not too old."""
        with self._lock:
            kept = self._open.get(sign_in_id)
        if kept is None or kept.expires <= time.monotonic():
            return None
        return kept if hmac.compare_digest(kept.browser, browser) else None

    def set_user(self, sign_in: PendingSignIn, user: str) -> PendingSignIn:
        """Note who signed in, with a new CSRF token for the next form."""
        known = replace(sign_in, user=user, csrf=secrets.token_urlsafe(24))
        with self._lock:
            self._open[known.id] = known
        return known

    def finish(self, sign_in: PendingSignIn) -> bool:
        """End a sign-in; False when another request has just ended it."""
        with self._lock:
            return self._open.pop(sign_in.id, None) is not None
