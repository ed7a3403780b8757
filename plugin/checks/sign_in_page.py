"""The EHR's sign-in page: it must be showable where Wetread is, and know the redirect address.

The page is asked for as a browser would ask, without a user: nothing is granted by that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

from plugin.addresses import origin_of
from plugin.checks.result import Result
from plugin.ehrs import Ehr
from smart_launch.authorization import build_authorization_request
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import SmartError
from smart_launch.http import HardenedSession, HttpLimits

MOST_REDIRECTS = 5
READ_SECONDS = 10.0


@dataclass(frozen=True)
class SignInPage:
    """Where asking for the sign-in page ended.

    Attributes
    ----------
    came_back : bool
        The browser would have been sent to our redirect address, with an error.
    """

    status: int
    headers: CaseInsensitiveDict[str]
    url: str
    came_back: bool = False


def check_sign_in_page(ehr: Ehr, configuration: SmartConfiguration) -> Iterator[Result]:
    """Look at the sign-in page's headers."""
    if configuration.authorization_endpoint is None:
        return
    subject = f"EHR {ehr.id}"
    try:
        # Not every EHR offers a launch without a chart: no scope is asked for that it may refuse.
        registration = replace(ehr.registration(), scopes=("openid",))
        request = build_authorization_request(registration, configuration, launch=None)
        page = open_page(request.url, ehr.redirect_uri)
    except (SmartError, requests.RequestException) as error:
        name = error.code if isinstance(error, SmartError) else type(error).__name__
        remedy = "Check that this machine reaches it as the users' browsers do."
        text = f"its sign-in page does not answer ({name})"
        yield Result("warning", subject, "sign_in_page", text, remedy)
        return
    yield from judge_page(subject, ehr, page)


def open_page(address: str, redirect_uri: str) -> SignInPage:
    """Follow the sign-in's redirects as a browser does; never to our redirect address."""
    with HardenedSession(HttpLimits(read_s=READ_SECONDS)) as session:
        # One visitor, thrown away afterwards: sign-in pages refuse browsers without cookies.
        session.cookies = RequestsCookieJar()
        for _ in range(MOST_REDIRECTS):
            with session.get(address, stream=True) as answer:
                target = answer.headers.get("Location")
                page = SignInPage(answer.status_code, answer.headers, address)
            if not 300 <= page.status < 400 or not target:
                return page
            address = urljoin(address, target)
            if address.partition("?")[0] == redirect_uri:
                return SignInPage(page.status, page.headers, address, came_back=True)
    return page


def judge_page(subject: str, ehr: Ehr, page: SignInPage) -> Iterator[Result]:
    """Say what the page means for `client_id`, `redirect_uri` and `authorize`."""
    if page.status >= 400:
        yield Result(
            "warning", subject, "sign_in_refused",
            f"its sign-in page refuses us with HTTP status {page.status}",
            "Compare client_id and redirect address with what is registered there.",
        )  # fmt: skip
    query = parse_qs(urlsplit(page.url).query)
    if page.came_back and "code" in query:
        yield Result("ok", subject, "sign_in_page", "it signs users in without a page of its own")
    elif page.came_back:
        error = query.get("error", ["no reason"])[0]
        named = error if re.fullmatch(r"[a-z_]{1,40}", error) else "no known reason"
        yield Result(
            "warning", subject, "sign_in_sent_back", f"it sends users back at once ({named})",
            "Compare client_id and scopes with what is registered there.",
        )  # fmt: skip
    if page.came_back or ehr.authorize == "popup" or not ehr.frame_ancestors:
        return
    refusal = refuses_frames(page, ehr.frame_ancestors)
    if refusal is None:
        text = "its sign-in page may be shown in a frame"
        yield Result("ok", subject, "sign_in_frame", text)
    else:
        text = f"its sign-in page refuses to be shown in a frame ({refusal})"
        # A launch from a chart may need no page: the user has signed in there already.
        yield Result(
            "warning", subject, "sign_in_frame", text,
            'If a launch from a chart stays blank, set authorize = "popup": a window is opened.',
        )  # fmt: skip


def refuses_frames(page: SignInPage, ancestors: tuple[str, ...]) -> str | None:
    """Name the header that forbids a frame inside these viewers; None if none does.

    References
    ----------
    CSP 3, frame-ancestors: it takes the place of X-Frame-Options where both are sent.
    """
    allowed = _frame_ancestors(page.headers.get("Content-Security-Policy", ""))
    own = origin_of(page.url)
    if allowed is not None:
        fits = all(any(_matches(source, one, own) for source in allowed) for one in ancestors)
        return None if fits else "Content-Security-Policy frame-ancestors"
    option = page.headers.get("X-Frame-Options", "").strip().upper()
    if option == "DENY" or (option == "SAMEORIGIN" and any(one != own for one in ancestors)):
        return f"X-Frame-Options {option}"
    return None


def _frame_ancestors(policy: str) -> list[str] | None:
    for directive in policy.replace(",", ";").split(";"):
        name, *sources = directive.split()[:50] or [""]
        if name.lower() == "frame-ancestors":
            return sources
    return None


def _matches(source: str, ancestor: str, own: str) -> bool:
    """Tell whether one source of frame-ancestors covers an origin (CSP 3, 6.7.2.8, in short)."""
    if source.lower() == "'self'":
        return ancestor == own
    if source == "*" or source.rstrip("/") in (ancestor, ancestor.partition(":")[0] + ":"):
        return True
    host = source.partition("://")[2] or source
    scheme_fits = "://" not in source or source.partition("://")[0] == ancestor.partition("://")[0]
    actual = ancestor.partition("://")[2]
    wildcard = host.startswith("*.") and actual.endswith(host[1:].rstrip("/"))
    return scheme_fits and (wildcard or host.rstrip("/") == actual)
