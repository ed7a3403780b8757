"""An HTTP answer, read within limits by ``http.py``: whole, or piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3
from urllib3.util.retry import Retry

from smart_launch.errors import TransportError


@dataclass(frozen=True)
class AnswerHead:
    """What comes before the body: status and headers (case does not matter)."""

    status: int
    headers: Mapping[str, str] = field(repr=False)

    @property
    def retry_after_s(self) -> float | None:
        """Retry-After in seconds from now; None when absent or unreadable."""
        value = self.headers.get("Retry-After")
        if value is None:
            return None
        try:
            return float(Retry().parse_retry_after(value))
        except (urllib3.exceptions.HTTPError, ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class StreamedAnswer(AnswerHead):
    """An answer whose body is still on its way.

    Attributes
    ----------
    pieces : iterator of bytes
        The body, once. Raises ``TransportError``: ``cut_short``, ``timed_out``, ``too_large``.
        What came before is then half an answer, unless its format says where it ends.
    close : callable
        Gives the connection up.
    is_framed : bool
        The body says where it ends, by its length or in chunks. If not, one that broke off looks
        whole (RFC 9112 6.3, 8).
    """

    pieces: Iterator[bytes] = field(repr=False)
    close: Callable[[], None] = field(repr=False)
    is_framed: bool


@dataclass(frozen=True)
class Answer(AnswerHead):
    """A whole HTTP answer."""

    body: bytes = field(repr=False)

    def json_object(self) -> dict[str, Any]:
        """Read the body as one JSON object.

        Raises
        ------
        TransportError
            ``html_not_json`` when it is a web page, ``not_json`` otherwise.
        """
        try:
            value = json.loads(self.body.decode("utf-8-sig"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        if self.body.lstrip()[:1] == b"<":
            raise TransportError(
                "html_not_json",
                "The record system answered with a web page instead of data.",
                retryable=True,
            )
        raise TransportError(
            "not_json", "The record system's answer was not readable data.", retryable=True
        )


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")
