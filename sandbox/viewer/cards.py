"""The cards of a chart, asked for by the open page and never waited for by it."""

from __future__ import annotations

from functools import cache

from flask import Response, jsonify, render_template
from markdown_it import MarkdownIt
from markupsafe import Markup

from sandbox import hospital
from sandbox.cds.charts import chart_cards
from sandbox.viewer.chart import read_or_404
from sandbox.viewer.door import DEMO_USER, blueprint


@blueprint.get("/viewer/patients/<patient>/cards")
def cards(patient: str) -> Response:
    """Ask the CDS services, and answer their cards as a piece of the page."""
    read_or_404("Patient", patient)
    found = chart_cards(hospital.current(), patient, DEMO_USER)
    shown = render_template("viewer/card_list.html", cards=found.cards)
    return jsonify({"cards": shown, "problems": list(found.problems)})


@cache
def _markdown() -> MarkdownIt:
    # Cards come from other programs: no HTML of theirs, no addresses but those of their links.
    rules = ["link", "image", "autolink", "html_inline", "html_block"]
    return MarkdownIt("commonmark", {"html": False}).disable(rules)


@blueprint.app_template_filter("markdown")
def markdown(text: str) -> Markup:
    """CommonMark as HTML, with everything else escaped."""
    return Markup(_markdown().render(text))  # noqa: S704  the renderer escapes
