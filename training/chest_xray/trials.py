"""What mitigates shortcuts, tried one by one: the same short runs, judged by the same figures.

A trial fits three networks on the training folds: one on all sources, judged on the choices fold;
one without ieee8023; one without nih and rsna_normal. Pooled figures rank the wrong recipe first
(they reward knowing the source), so recipes are chosen by the sources left out and by the probes.
The held-out fold plays no part.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import tomllib
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from training.chest_xray.calibration import log_odds
from training.chest_xray.classifier import predicted, train_classifier
from training.chest_xray.crops import Crops
from training.chest_xray.imagenet import State
from training.chest_xray.probe import changed, lungs_blanked
from training.chest_xray.protocol import without
from training.chest_xray.settings import ClassifierSettings, Mitigation, Settings
from training.chest_xray.table import Row
from training.record import write_json

log = logging.getLogger(__name__)
Scores = NDArray[np.float64]
Figures = dict[str, Any]
_RSNA = ("Normal", "Lung Opacity")


def run_trials(
    trials: Path, kept: Path, crops: Crops, settings: Settings, imagenet: State | None, work: Path
) -> dict[str, Figures]:
    """Run every trial of a file that has no figures yet.

    Parameters
    ----------
    trials : pathlib.Path
        TOML: ``epochs`` and tables ``[trial.NAME]`` of changed ``[mitigation]`` settings (and
        ``draws``), on top of ``[base]``. Settings of ``[classifier]`` may change too.
    kept : pathlib.Path
        JSON file of figures by name, written after every trial.
    crops : Crops
        Lung boxes of all images.
    settings, imagenet, work
        As for the run itself.
    """
    with trials.open("rb") as file:
        wanted = tomllib.load(file)
    common = {"base": wanted["base"], "epochs": wanted["epochs"]}
    figures = _kept(kept, common)
    for name, changes in wanted["trial"].items():
        if name in figures and figures[name]["changes"] == changes:
            continue
        tried = _changed(settings, {**wanted["base"], **changes}, wanted["epochs"])
        folder = work / f"trial-{name}"
        figures[name] = {"changes": changes, **_trial(crops, tried, imagenet, folder)}
        log.info("trial %s: %s", name, figures[name])
        write_json(kept, {**common, "trials": figures})
    return figures


def _kept(path: Path, common: Figures) -> dict[str, Figures]:
    """Figures of an earlier call with the same base and length."""
    if not path.exists():
        return {}
    stored = json.loads(path.read_text("utf-8"))
    if {key: stored[key] for key in common} != common:
        return {}
    return dict(stored["trials"])


def _changed(settings: Settings, changes: dict[str, Any], epochs: int) -> Settings:
    def of(kind: Any) -> dict[str, Any]:
        names = {field.name for field in dataclasses.fields(kind)}
        return {name: value for name, value in changes.items() if name in names}

    return dataclasses.replace(
        settings,
        seed=changes.get("seed", settings.seed),
        mitigation=dataclasses.replace(settings.mitigation, **of(Mitigation)),
        classifier=dataclasses.replace(
            settings.classifier, **{"epochs": epochs, **of(ClassifierSettings)}
        ),
        draws={**settings.draws, **changes.get("draws", {})},
    )


def _trial(crops: Crops, settings: Settings, imagenet: State | None, work: Path) -> Figures:
    folds = settings.folds
    used = tuple(r for r in crops.rows if r.fold not in (folds.held_out, -1))
    training = tuple(r for r in used if r.fold != folds.choices and not r.article_overlap)
    adults = tuple(r for r in used if not r.child)
    choices = tuple(r for r in adults if r.fold == folds.choices)

    def fitted(name: str, rows: tuple[Row, ...]) -> keras.Model:
        return train_classifier(crops.of(rows), settings, imagenet, work / f"{name}.npz")

    whole = fitted("all", training)
    no_ieee = without(("ieee8023",), training, adults)
    no_nih = without(("nih", "rsna_normal"), training, adults)
    return {
        **_seen(whole, crops.of(choices), settings),
        **_unseen_ieee(fitted("ieee", no_ieee.training), crops.of(no_ieee.judged), settings),
        **_unseen_nih(
            fitted("nih", no_nih.training), crops.of(no_nih.judged), crops.of(choices), settings
        ),
    }


def _scores(model: keras.Model, inputs: Any, settings: Settings) -> Scores:
    return log_odds(predicted(model, inputs).astype(np.float64), settings.target_index)


def _seen(model: keras.Model, part: Crops, settings: Settings) -> Figures:
    sick = np.array([row.label == settings.target for row in part.rows])
    inside = np.array([row.source == "ieee8023" for row in part.rows])
    scores = _scores(model, part.composed(), settings)
    blank = _scores(model, changed(part, lungs_blanked), settings)
    return {
        "auc": _area(sick, scores),
        "auc_within_ieee8023": _area(sick[inside], scores[inside]),
        "auc_lungs_blanked": _area(sick, blank),
    }


def _unseen_ieee(model: keras.Model, part: Crops, settings: Settings) -> Figures:
    sick = np.array([row.label == settings.target for row in part.rows])
    scores = _scores(model, part.composed(), settings)
    return {
        "without_ieee8023_auc": _area(sick, scores),
        "without_ieee8023_specificity_at_080": _below(scores[~sick], scores[sick], 0.8),
    }


def _unseen_nih(model: keras.Model, part: Crops, choices: Crops, settings: Settings) -> Figures:
    sick = choices.of(tuple(r for r in choices.rows if r.label == settings.target))
    known, scores = (_scores(model, c.composed(), settings) for c in (sick, part))
    healthy = np.array([row.label == "normal" for row in part.rows])
    judged = np.array([row.radiologists in _RSNA for row in part.rows])
    opaque = np.array([row.radiologists == "Lung Opacity" for row in part.rows])
    truth = np.r_[np.ones(len(known), bool), np.zeros(len(scores), bool)]
    return {
        "without_nih_auc": _area(truth, np.r_[known, scores]),
        "without_nih_specificity_at_090": _below(scores, known, 0.9),
        "without_nih_healthy_called": _rest(_below(scores[healthy], known, 0.9)),
        "without_nih_others_called": _rest(_below(scores[~healthy], known, 0.9)),
        "without_nih_score_follows_opacity": _area(opaque[judged], scores[judged]),
    }


def _area(truth: NDArray[np.bool_], scores: Scores) -> float | None:
    if truth.all() or not truth.any():
        return None
    return round(float(roc_auc_score(truth, scores)), 3)


def _below(well: Scores, sick: Scores, sensitivity: float) -> float | None:
    """Specificity at the threshold that finds this share of the sick."""
    if not len(well) or not len(sick):
        return None
    return round(float((well < np.quantile(sick, 1 - sensitivity)).mean()), 3)


def _rest(share: float | None) -> float | None:
    return None if share is None else round(1 - share, 3)
