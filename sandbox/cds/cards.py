"""Cards of a CDS service, read as strictly as the specification is written (CDS Hooks 2.0)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

from sandbox.clients import LOOPBACK, Client
from sandbox.errors import CdsProblem

Indicator = Literal["info", "warning", "critical"]
LONGEST_SUMMARY = 140
_LONGEST = {"detail": 4000, "label": 200, "url": 2000, "appContext": 4096, "uuid": 100}
_MOST_CARDS, _MOST_LINKS = 10, 10


@dataclass(frozen=True)
class Link:
    """One link of a card.

    Attributes
    ----------
    label : str
    url : str
        Of an absolute link; empty where a client is launched.
    client_id : str
        The registered client that a SMART link launches, else empty.
    app_context : str or None
        What that launch hands on, unread.
    """

    label: str
    url: str = ""
    client_id: str = ""
    app_context: str | None = None


@dataclass(frozen=True)
class Card:
    """One card, every text still to be escaped.

    Attributes
    ----------
    summary, source : str
    indicator : {"info", "warning", "critical"}
    detail : str
        Markdown; may be empty.
    links : tuple of Link
    """

    summary: str
    source: str
    indicator: Indicator
    detail: str
    links: tuple[Link, ...]


def read_cards(answer: Mapping[str, Any], clients: Iterable[Client]) -> tuple[Card, ...]:
    """Read an answer to a hook.

    Parameters
    ----------
    answer : mapping
        JSON of the answer.
    clients : iterable of Client
        Those that a SMART link may launch.

    Raises
    ------
    CdsProblem
        Any card breaks a rule: then none is shown, so that its author finds out.
    """
    listed = answer.get("cards")
    if not isinstance(listed, list) or len(listed) > _MOST_CARDS:
        raise CdsProblem(f"an answer must hold a list of {_MOST_CARDS} cards at most")
    launchable = {client.launch_url: client.client_id for client in clients if client.interactive}
    return tuple(_card(entry, launchable) for entry in listed)


def _card(entry: object, launchable: Mapping[str, str]) -> Card:
    if not isinstance(entry, dict):
        raise CdsProblem("a card must be a JSON object")
    summary = _text(entry, "summary")
    if len(summary) >= LONGEST_SUMMARY:
        raise CdsProblem(f"a summary must be shorter than {LONGEST_SUMMARY} letters")
    if entry.get("indicator") not in get_args(Indicator):
        raise CdsProblem(f"indicator must be one of {', '.join(get_args(Indicator))}")
    source = entry.get("source")
    if not isinstance(source, dict):
        raise CdsProblem("a card needs its source")
    if "url" in source:
        _address(_text(source, "url"))
    _text(entry, "uuid", needed=False)
    links = entry.get("links", [])
    if not isinstance(links, list) or len(links) > _MOST_LINKS:
        raise CdsProblem(f"links must be a list of {_MOST_LINKS} at most")
    return Card(
        summary=summary,
        source=_text(source, "label"),
        indicator=cast("Indicator", entry["indicator"]),
        detail=_text(entry, "detail", needed=False),
        links=tuple(_link(link, launchable) for link in links),
    )


def _link(entry: object, launchable: Mapping[str, str]) -> Link:
    if not isinstance(entry, dict):
        raise CdsProblem("a link must be a JSON object")
    label, url, kind = _text(entry, "label"), _text(entry, "url"), entry.get("type")
    if kind not in ("absolute", "smart"):
        raise CdsProblem("the type of a link must be absolute or smart")
    if kind == "absolute":
        if "appContext" in entry:
            raise CdsProblem("appContext belongs to links of type smart")
        return Link(label, url=_address(url))
    if url not in launchable:
        raise CdsProblem("a smart link must be exactly the launch address of a registered client")
    has_context = "appContext" in entry
    return Link(
        label,
        client_id=launchable[url],
        app_context=_text(entry, "appContext") if has_context else None,
    )


def _text(entry: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    if not needed and name not in entry:
        return ""
    value = entry.get(name)
    if not isinstance(value, str) or not value:
        raise CdsProblem(f"{name} must be a text")
    if len(value) > _LONGEST.get(name, LONGEST_SUMMARY):
        raise CdsProblem(f"{name} is too long")
    return value


def _address(url: str) -> str:
    """Only what a browser fetches over the web: never ``javascript:`` and its kind."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise CdsProblem("an address must be absolute https") from error
    if (parts.scheme == "https" and host) or (parts.scheme == "http" and host in LOOPBACK):
        return url
    raise CdsProblem("an address must be absolute https (http on loopback)")
