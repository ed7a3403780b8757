"""`/models` and `/models/<name>`: public, because reports refer to them; nothing of a patient.

The cards come from the model folders of this installation. Their facts import no pixel library.
"""

from __future__ import annotations

import logging
from pathlib import Path

from flask import Blueprint, Response, redirect, render_template, send_file, url_for

from inference.errors import ModelRefused, UnknownModel
from inference.model_facts import ModelFacts
from inference.registry import model_facts, model_folder, model_names, weights_sha256
from plugin.errors import PluginError
from plugin.model_cards.rendering import LICENCE, PLOTS, RenderedCard, render_card

blueprint = Blueprint("model_cards", __name__)
log = logging.getLogger("wetread.model_cards")

CARD = "MODEL_CARD.md"


class NoSuchModel(PluginError):  # noqa: N818 (the HTTP status)
    """No installed model has this name, or its card lacks this plot."""

    code = "model_unknown"
    title = "There is no such model here"
    next_step = "See the list of models at /models, or open the link from the report again."
    status = 404


@blueprint.get("/models")
def list_models() -> str:
    """List the installed models."""
    found = [facts for name in model_names() if (facts := _facts_if_usable(name))]
    return render_template("models.html", models=found)


@blueprint.get("/models/<name>")
def show_model(name: str) -> str:
    """Show a model's card."""
    folder, facts = _folder(name), model_facts(name)
    return render_template(
        "model_card.html",
        facts=facts,
        card=_rendered(folder, CARD, "This model has no card.\n"),
        weights=weights_sha256(facts.networks),
        has_licence=(folder / LICENCE).is_file(),
    )


@blueprint.get("/models/<name>/licence")
def show_licence(name: str) -> str:
    """Show the licence of a model's weights."""
    text = _rendered(_folder(name), LICENCE, "The weights have no licence of their own.\n")
    return render_template("model_licence.html", facts=model_facts(name), licence=text)


@blueprint.get("/models/<name>/card")
def former_address(name: str) -> Response:
    """Lead reports of earlier versions, which hold this address, to the page."""
    _folder(name)
    answer = redirect(url_for("model_cards.show_model", name=name), 301)
    assert isinstance(answer, Response)  # noqa: S101  Flask's own type
    return answer


@blueprint.get("/models/<name>/plots/<file>")
def show_plot(name: str, file: str) -> Response:
    """Send a plot of a model's card."""
    path = _plots(_folder(name)).get(file)
    if path is None:
        raise NoSuchModel("A plot belongs to the card of its model; this card has none so named.")
    return send_file(path, mimetype="image/svg+xml", max_age=0)


def _folder(name: str) -> Path:
    try:
        return model_folder(name)
    except UnknownModel as error:
        raise NoSuchModel("A model card belongs to an installed model; this name is none.") from (
            error
        )


def _rendered(folder: Path, file: str, otherwise: str) -> RenderedCard:
    path = folder / file
    text = path.read_text("utf-8") if path.is_file() else otherwise
    address = url_for("model_cards.show_model", name=folder.name)
    return render_card(text, address, frozenset(_plots(folder)))


def _facts_if_usable(name: str) -> ModelFacts | None:
    try:
        return model_facts(name)
    except ModelRefused:
        log.warning("model_refused", extra={"model": name})
        return None


def _plots(folder: Path) -> dict[str, Path]:
    """Give the plots by file name; asked names are compared with these, never joined to a path."""
    return {path.name: path for path in (folder / PLOTS).glob("*.svg")}
