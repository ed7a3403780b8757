"""The refusal table of a published model."""

from __future__ import annotations

import json
from pathlib import Path

from inference.registry import load_model
from training.chest_xray.card import update_card
from training.chest_xray.refusals import Figures, cases, refusal_figures
from training.chest_xray.settings import Settings
from training.chest_xray.strangers import strangers
from training.chest_xray.table import Row
from training.record import write_json


def add_refusals(folder: Path, rows: tuple[Row, ...], data: Path, settings: Settings) -> Figures:
    """Count on the published model, and add the table to its figures and card.

    Parameters
    ----------
    folder : pathlib.Path
        The model folder, after ``publish.publish``.
    rows, data : tuple of Row, pathlib.Path
        The table and the data folder; images of the held-out fold are read.
    settings : Settings
        The held-out fold, the seed and the number of resamples are used.

    Returns
    -------
    dict
        All figures, as ``figures.json`` now holds them.
    """
    model = load_model(folder.name, threads=settings.threads, search=(folder.parent,))
    held_out = tuple(row for row in rows if row.fold == settings.folds.held_out)
    others = strangers(data, settings.seed)
    offered = cases(held_out, data, others, model.facts.minimum_side_pixels, settings.seed)
    figures: Figures = json.loads((folder / "figures.json").read_text("utf-8"))
    figures["refusals"] = refusal_figures(model, offered, settings.report.bootstrap, settings.seed)
    write_json(folder / "figures.json", figures)
    update_card(folder)
    return figures
