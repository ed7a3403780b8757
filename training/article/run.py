"""The article, repeated, top to bottom."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import keras

from training.article import data as tables
from training.article.data import Rows, Sets
from training.article.fitting import Labelled, fit, predicted
from training.article.judging import Figures, Judged, article_figures, called_covid
from training.article.network import article_network
from training.article.page import write_page
from training.article.provenance import code_that_trains, inputs, key
from training.article.results import Outcome, write_outcome
from training.article.settings import Repetition, Settings

log = logging.getLogger(__name__)
RESULTS = Path(__file__).parent / "results"


def run(
    data: Path,
    work: Path,
    start: Path | str | None,
    plan: Sequence[Repetition],
    settings: Settings | None = None,
    results: Path = RESULTS,
) -> dict[str, Figures]:
    """Repeat the article and write what came out.

    Parameters
    ----------
    data : pathlib.Path
        The data folder: ``article.csv``, ``cxr.csv`` and the images that they name.
    work : pathlib.Path
        Checkpoints. A run that was cut off goes on from here; a finished one is only judged.
    start : pathlib.Path, "imagenet" or None
        See ``article_network``.
    plan : sequence of Repetition
        Trained one after the other; each is written as soon as it is done. None: the page alone
        is written again.
    settings : Settings, optional
        The article's own where left out.
    results : pathlib.Path
        Receives a folder for each repetition and the page ``README.md``.

    Returns
    -------
    dict
        The figures of each repetition under its name.
    """
    settings = settings or Settings()
    results.mkdir(parents=True, exist_ok=True)
    write_page(results)
    found = {}
    for repetition in plan:
        log.info("%s", repetition.name)
        outcome = repeat(data, work, start, repetition, settings)
        write_outcome(results / repetition.name, outcome)
        write_page(results)  # after each, because the next one may take an hour
        found[repetition.name] = outcome.figures
    return found


def repeat(
    data: Path, work: Path, start: Path | str | None, repetition: Repetition, settings: Settings
) -> Outcome:
    """Train and judge one repetition; arguments as in ``run``."""
    depends = inputs(data, start, repetition, settings)
    folder = work / f"{repetition.name}-{key(depends)}"
    code = code_that_trains(folder)
    sets = tables.article_sets(data, settings, without_leak=repetition.without_leak)
    model = article_network(settings, repetition.seed, start)
    training, validation = (
        Labelled(tables.read_pictures(data, rows, settings.side), tables.truth(rows))
        for rows in (sets.training, sets.validation)
    )
    history = fit(model, training, validation, settings, repetition.seed, folder)
    judged = {name: _judged(model, data, rows) for name, rows in _to_judge(data, sets).items()}
    figures = _figures(judged, sets, settings, repetition.seed)
    figures["seconds"] = round(sum(epoch.seconds for epoch in history))
    return Outcome(figures, history, judged, depends | code)


def _to_judge(data: Path, sets: Sets) -> dict[str, Rows]:
    return {
        "validation": sets.validation,
        "unseen": sets.unseen,
        "healthy_adults": tables.healthy_adults(data),
        "healthy_children": tables.healthy_children(data),
    }


def _judged(model: keras.Model, data: Path, rows: Rows) -> Judged:
    side = int(model.input_shape[1])
    return Judged(rows, predicted(model, tables.read_pictures(data, rows, side)))


def _figures(judged: dict[str, Judged], sets: Sets, settings: Settings, seed: int) -> Figures:
    """The article's own figures first; then what it did not look at."""
    unseen = judged["unseen"]
    return {
        "images": {name: len(getattr(sets, name)) for name in ("training", "validation", "unseen")},
        "people": tables.people(sets),
        "validation": article_figures(judged["validation"], settings, seed),
        "unseen": article_figures(unseen, settings, seed),
        "validation_leaking": [row.path for row in sets.validation_leaking],
        "unseen_leaking": [row.path for row in sets.leaking],
        "unseen_without_leaking": article_figures(unseen.without(sets.leaking), settings, seed),
        "called_covid": {
            name: called_covid(judged[name], settings, seed)
            for name in ("healthy_adults", "healthy_children")
        },
    }
