"""A requests session that cannot leak: no cookies, no redirects, no netrc; with time limits."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.cookies import RequestsCookieJar

from smart_launch.addresses import is_loopback, split_secure
from smart_launch.http_limits import HttpLimits

_POOLED_CONNECTIONS = 32


class HardenedSession(requests.Session):
    """A requests session that keeps no cookies, follows no redirects, always times out.

    Also for libraries that bring their own requests but accept a session. Proxies and the
    CA bundle of the environment apply, except on loopback; credentials of a netrc file do
    not: requests would put them over the bearer token.
    """

    def __init__(self, limits: HttpLimits) -> None:
        super().__init__()
        self._timeout = (limits.connect_s, limits.read_s)
        # Several threads of one worker talk to the same server at once.
        for scheme in ("https://", "http://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=_POOLED_CONNECTIONS))
        self.cookies = _NoCookies()
        self.auth = _NoNetrc()

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Never go where a Location points: the token would go along (RFC 9700 4.12)."""
        del resp
        return None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send with the session's timeout, and without a proxy to this machine."""
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeout
        if is_loopback(split_secure(request.url or "").hostname or ""):
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)


class _NoNetrc(AuthBase):
    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _NoCookies(RequestsCookieJar):
    """One session serves many users: a cookie of one must never travel with another."""

    def extract_cookies(self, *arguments: object, **named: object) -> None:
        del arguments, named

    def set_cookie(self, *arguments: object, **named: object) -> None:
        del arguments, named
