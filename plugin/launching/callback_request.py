"""What the callback page sends: checked for shape before anything is done with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plugin.errors import LaunchDenied

KEYS = ("state", "binder", "code", "iss", "error")
LONGEST = 8192


@dataclass(frozen=True)
class CallbackRequest:
    """Code or error, state and binder, as the page sent them.

    Attributes
    ----------
    code, error : str
        One of them is usually empty.
    iss : str or None
        The authorization server's issuer, if it named itself (RFC 9207).
    """

    state: str = field(repr=False)
    binder: str = field(repr=False)
    code: str = field(default="", repr=False)
    iss: str | None = None
    error: str | None = None


def read_callback(body: Any) -> CallbackRequest:
    """Read the page's JSON.

    Raises
    ------
    LaunchDenied
        It is no object of short texts, or state or binder is missing.
    """
    known = {key: body.get(key) for key in KEYS} if isinstance(body, dict) else {}
    given = {key: value for key, value in known.items() if value is not None}
    if not known or not all(_is_short_text(value) for value in given.values()):
        raise LaunchDenied(
            "The callback must send an object of texts; it sent something else.",
            code="callback_invalid",
        )
    if not given.get("state"):
        raise LaunchDenied(
            "A launch must come back with its state; this one came without.", code="state_missing"
        )
    if not given.get("binder"):
        raise LaunchDenied(
            "A launch must be finished by the page that began it; this page did not, or the "
            "browser has kept nothing for it.",
            code="binder_missing",
        )
    return CallbackRequest(**given)


def _is_short_text(value: object) -> bool:
    """Tell whether a value can be one of OAuth's: printable ASCII (RFC 6749, appendix A)."""
    if not isinstance(value, str) or len(value) > LONGEST:
        return False
    return value.isascii() and value.isprintable()
