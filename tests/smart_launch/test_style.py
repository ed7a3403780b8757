"""What is read of an EHR's style document: a few kinds of plain values."""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.style import Style, read_style

# The example of the specification.
EXAMPLE = {
    "color_background": "#edeae3",
    "color_error": "#9e2d2d",
    "color_highlight": "#69b5ce",
    "color_modal_backdrop": "",
    "color_success": "#498e49",
    "color_text": "#303030",
    "dim_border_radius": "6px",
    "dim_font_size": "13px",
    "dim_spacing_size": "20px",
    "font_family_body": "Georgia, Times, 'Times New Roman', serif",
    "font_family_heading": "'HelveticaNeue-Light', Helvetica, Arial, 'Lucida Grande', sans-serif;",
}


def test_the_example_of_the_specification_is_read() -> None:
    assert read_style(EXAMPLE) == Style(
        color_background="#edeae3",
        color_text="#303030",
        color_highlight="#69b5ce",
        color_error="#9e2d2d",
        color_success="#498e49",
        dim_border_radius=6.0,
        dim_font_size=13.0,
        dim_spacing_size=20.0,
        font_family_body=("Georgia", "Times", "Times New Roman", "serif"),
        font_family_heading=(
            "HelveticaNeue-Light", "Helvetica", "Arial", "Lucida Grande", "sans-serif",
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("#ABC", "#aabbcc"),
        ("#A1b2C3", "#a1b2c3"),
        ("rgb(0, 16,255)", "#0010ff"),
        ("#123 ", "#112233"),
    ],
)
def test_colours_come_in_one_form(given: str, read: str) -> None:
    assert read_style({"color_text": given}).color_text == read


@pytest.mark.parametrize(
    "given",
    [
        "red",
        "#12345",
        "#12345678",
        "rgb(256,0,0)",
        "rgba(0,0,0,.5)",
        "url(https://evil.example/)",
        "#fff}body{display:none",
        "var(--ink)",
        "#١٢٣",
        7,
        None,
        ["#fff"],
    ],
)
def test_another_colour_counts_as_absent(given: Any) -> None:
    assert read_style({"color_text": given}) == Style()


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("dim_font_size", "1rem", 16.0),
        ("dim_font_size", "12pt", 16.0),
        ("dim_font_size", "200px", None),
        ("dim_font_size", "4px", None),
        ("dim_border_radius", "0px", 0.0),
        ("dim_border_radius", "50%", None),
        ("dim_spacing_size", "calc(1px + 1vw)", None),
        ("dim_spacing_size", "-8px", None),
        ("dim_spacing_size", "1e3px", None),
    ],
)
def test_lengths_are_pixels_within_what_the_page_bears(
    name: str, given: str, read: float | None
) -> None:
    assert asdict(read_style({name: given}))[name] == read


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Arial,",
        "'Arial",
        "Arial; background: url(x)",
        '"a\\22 b"',
        "var(--x)",
        ", ".join(["Arial"] * 13),
        "A" * 600,
    ],
)
def test_a_list_of_fonts_that_is_more_than_names_counts_as_absent(given: str) -> None:
    assert read_style({"font_family_body": given}).font_family_body is None


def test_unknown_keys_are_left_out() -> None:
    assert read_style({"color_border": "#000000", "__proto__": "x"}) == Style()


PLAIN = re.compile(r"#[0-9a-f]{6}|-?[A-Za-z0-9][A-Za-z0-9 ._-]*")
CSS = st.text("#0123456789abcdefxprm()'\",;:{}\\/ -urlvi") | st.text()


@given(st.dictionaries(st.sampled_from([entry.name for entry in fields(Style)]), CSS))
def test_nothing_but_plain_values_comes_through(document: dict[str, str]) -> None:
    for value in asdict(read_style(document)).values():
        if isinstance(value, float):
            assert 0 <= value <= 24
        else:
            texts = value if isinstance(value, tuple) else [value or "#000000"]
            assert all(PLAIN.fullmatch(text) for text in texts)
