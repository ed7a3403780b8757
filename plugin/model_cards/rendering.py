"""A model card in Markdown as HTML: tables in boxes that scroll, plots, no markup from the file.

Raw HTML of the card is shown as text, its comments are left out. Only `https` addresses, places in
the card itself and the licence of the weights stay links; only plots of the model folder stay
pictures.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

PLOTS = "plots"
LICENCE = "WEIGHTS_LICENSE.md"
# Longer words of a cell may wrap; a figure with its interval stays on one line.
_LONGEST_FIGURE = 40
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ALIGNED = re.compile(r"text-align:(left|right|center)")


@dataclass(frozen=True)
class Heading:
    """A heading of the second level: `id` in the page and its words."""

    id: str
    text: str


@dataclass(frozen=True)
class RenderedCard:
    """What the page shows of a card: its headings and its HTML, without the first-level heading."""

    headings: tuple[Heading, ...]
    html: Markup


@lru_cache(maxsize=16)
def render_card(markdown: str, address: str, plots: frozenset[str]) -> RenderedCard:
    """Render a card.

    Parameters
    ----------
    markdown : str
        CommonMark with tables.
    address : str
        Address of the card's page, without a slash at the end.
    plots : frozenset of str
        File names in the folder `plots`; other pictures become their alternative text.
    """
    parser = _parser()
    tokens = _without_title(parser.parse(_COMMENT.sub("", markdown)))
    headings = tuple(_name_headings(tokens))
    _label_tables(tokens)
    _keep_figures_together(tokens)
    for token in tokens:
        token.children = _safe(token.children or [], address, plots) or None
        _classes_for_styles(token)
    html = parser.renderer.render(tokens, parser.options, {})
    return RenderedCard(headings, Markup(html))  # noqa: S704  the renderer escapes


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("table_open", _open_table)
    parser.add_render_rule("table_close", _close_table)
    return parser


def _open_table(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    # Reached by the keyboard, so that it scrolls without a mouse too.
    label = escape(tokens[index].meta["label"])
    return f'<div class="table-box" role="region" tabindex="0" aria-label="{label}">\n<table>\n'


def _close_table(*_: Any) -> str:
    return "</table>\n</div>\n"


def _without_title(tokens: list[Token]) -> list[Token]:
    """Leave out the first-level heading: the page has its own, from the model's facts."""
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        return tokens[3:]
    return tokens


def _name_headings(tokens: list[Token]) -> Iterator[Heading]:
    seen: set[str] = set()
    for token, words in pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = "".join(part.content for part in words.children or [])
        name = plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "part"
        while name in seen:
            name = f"{plain}-{len(seen)}"
        seen.add(name)
        token.attrSet("id", name)
        if token.tag == "h2":
            yield Heading(name, text)


def _label_tables(tokens: list[Token]) -> None:
    """Name each table by the heading or paragraph before it."""
    before = ""
    for token in tokens:
        if token.type == "table_open":
            token.meta["label"] = f"Table: {before}" if before else "Table"
        elif token.type == "inline":
            before = "".join(part.content for part in token.children or [])[:120]


def _keep_figures_together(tokens: list[Token]) -> None:
    for cell, words in pairwise(tokens):
        text = words.content
        if cell.type == "td_open" and len(text) <= _LONGEST_FIGURE and text[:1].isdigit():
            cell.attrSet("class", "figure")


def _classes_for_styles(token: Token) -> None:
    """Columns are aligned by a class: the page's policy allows no style attributes."""
    style = token.attrs.pop("style", None)
    if style and (found := _ALIGNED.search(str(style))):
        token.attrJoin("class", found[1])


def _safe(children: list[Token], address: str, plots: Collection[str]) -> list[Token]:
    """Keep links that lead somewhere and pictures that are plots of the folder."""
    kept: list[Token] = []
    open_links: list[bool] = []
    for token in children:
        if token.type == "link_open":
            open_links.append(_keep_link(token, address))
        if token.type in ("link_open", "link_close"):
            good = open_links[-1]
            kept += [token] if good else []
            if token.type == "link_close":
                open_links.pop()
        elif token.type == "image":
            kept += _picture(token, address, plots)
        else:
            kept.append(token)
    return kept


def _keep_link(token: Token, address: str) -> bool:
    target = str(token.attrGet("href"))
    if target.startswith("https://"):
        token.attrSet("rel", "noopener noreferrer")
    if target == LICENCE:
        token.attrSet("href", f"{address}/licence")
    return target == LICENCE or target.startswith(("https://", "#"))


def _picture(token: Token, address: str, plots: Collection[str]) -> list[Token]:
    folder, _, name = str(token.attrGet("src")).partition("/")
    if folder != PLOTS or name not in plots:
        return [Token("text", "", 0, content=token.content)]
    source = f"{address}/{PLOTS}/{name}"
    token.attrSet("src", source)
    token.attrSet("class", "plot")
    # A plot is wide: on a narrow screen it is opened by itself and enlarged.
    link = Token("link_open", "a", 1, attrs={"href": source, "class": "plot-link"})
    return [link, token, Token("link_close", "a", -1)]
