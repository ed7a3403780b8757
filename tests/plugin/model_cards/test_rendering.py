"""Model cards as HTML: what stays, what is taken out, and the real ones whole."""

from __future__ import annotations

import re

import pytest

from inference.registry import model_folder, model_names
from plugin.model_cards.rendering import RenderedCard, render_card

TABLE = "| set | n |\n|---|---:|\n| nih | 12 |\n"


def rendered(markdown: str, *plots: str) -> RenderedCard:
    return render_card(markdown, "/models/toy", frozenset(plots))


def test_a_table_lies_in_a_box_that_keyboards_reach_and_readers_hear_named() -> None:
    html = rendered(f"**Held-out fold**\n\n{TABLE}").html
    box = re.search(r"<div([^>]*)>\s*<table>.*</table>\s*</div>", html, re.DOTALL)
    assert box is not None
    for attribute in ('tabindex="0"', 'role="region"', 'aria-label="Table: Held-out fold"'):
        assert attribute in box[1]


def test_columns_are_aligned_without_a_style_attribute() -> None:
    html = rendered(TABLE).html
    assert re.search(r'<td class="[^"]*right">12</td>', html)
    assert "style=" not in html


def test_headings_have_places_of_their_own_even_when_their_words_repeat() -> None:
    card = rendered("# Title\n\n## Limits\n\n### Part\n\n## Limits\n\n## Über 16\n")
    ids = re.findall(r'id="([^"]+)"', card.html)
    assert len(set(ids)) == len(ids) == 4
    assert [heading.text for heading in card.headings] == ["Limits", "Limits", "Über 16"]
    assert {heading.id for heading in card.headings} <= set(ids)
    assert "Title" not in card.html


def test_comments_are_left_out_and_other_markup_is_only_text() -> None:
    html = rendered(
        "a <!-- figures\nbegin --> b\n\n<script>alert(1)</script>\n\n<b onclick=x>c"
    ).html
    assert "figures" not in html
    assert not re.search(r"<(script|b)\b", html)
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    "target",
    ["javascript:alert(1)", "http://elsewhere.example/", "../../etc/passwd", "//x.example"],
)
def test_a_link_that_is_not_safe_or_leads_nowhere_is_only_its_words(target: str) -> None:
    html = rendered(f"see [the *words*]({target}) there").html
    assert "<a" not in html
    assert "<em>words</em>" in html or "[the" in html


def test_a_figure_with_its_interval_stays_on_one_line_and_words_may_wrap() -> None:
    html = rendered("| a | b |\n|---|---|\n| a long sentence | 0.93 [0.89, 0.96], n 5 / 4 |\n").html
    assert '<td class="figure">0.93 [0.89, 0.96], n 5 / 4</td>' in html
    assert "<td>a long sentence</td>" in html


def test_the_licence_of_the_weights_is_a_page_too() -> None:
    html = rendered("see [licence](WEIGHTS_LICENSE.md)").html
    assert '<a href="/models/toy/licence">licence</a>' in html


def test_links_to_the_web_and_within_the_card_stay() -> None:
    html = rendered("[paper](https://doi.org/10.1/x) and [limits](#limits)").html
    assert 'href="https://doi.org/10.1/x" rel="noopener noreferrer"' in html
    assert 'href="#limits"' in html


def test_a_plot_of_the_folder_is_shown_and_any_other_picture_is_its_words() -> None:
    text = "![curve](plots/roc.svg)\n\n![gone](plots/no.svg)\n\n![far](https://x.example/a.svg)"
    html = rendered(text, "roc.svg").html
    assert re.findall(r'<img src="([^"]+)" alt="([^"]*)"', html) == [
        ("/models/toy/plots/roc.svg", "curve")
    ]
    assert "gone" in html
    assert "x.example" not in html


@pytest.mark.parametrize("name", model_names())
def test_the_card_of_every_model_is_rendered_whole(name: str) -> None:
    text = (model_folder(name) / "MODEL_CARD.md").read_text("utf-8")
    card = rendered(text)
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading.text for heading in card.headings] == heads
    tables = re.findall(r"^\|[ :|-]+\|$", text, re.MULTILINE)
    assert card.html.count("<table>") == len(tables) > 0
    assert "&lt;!--" not in card.html
    assert "| ---" not in card.html
