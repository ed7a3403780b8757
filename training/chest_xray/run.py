"""The training of the chest X-ray model, top to bottom."""

from __future__ import annotations

import logging
from pathlib import Path

from training.chest_xray.classifier import predicted
from training.chest_xray.evaluation import Evaluator, Figures, Predictions, predictions
from training.chest_xray.imagenet import State, read_imagenet
from training.chest_xray.left_out import SOURCES_LEFT_OUT, evaluate_left_out
from training.chest_xray.networks import Fitted, fit_networks
from training.chest_xray.operating_point import OperatingPoint, choose_operating_point
from training.chest_xray.probe import probe
from training.chest_xray.publish import Run, publish
from training.chest_xray.settings import Settings, load_settings
from training.chest_xray.splits import Split, split_by_group
from training.chest_xray.table import checksum, load_table
from training.record import commit, run_key

log = logging.getLogger(__name__)


def run(folder: Path, data: Path, work: Path, *, pretrained: bool = True) -> Figures:
    """Train, judge and publish a model.

    Parameters
    ----------
    folder : pathlib.Path
        The model folder: holds ``training.toml`` and ``facts.py``, receives the results.
    data : pathlib.Path
        The data folder: ``cxr.csv``, ``article.csv`` and the files that they name.
    work : pathlib.Path
        Checkpoints and lung boxes, outside the repository. An interrupted run goes on from here.
    pretrained : bool
        Whether the classifier starts from ImageNet weights.

    Returns
    -------
    dict
        All figures, as in ``figures.json``.
    """
    settings = load_settings(folder / "training.toml")
    rows, article = load_table(data), load_table(data, "article.csv")
    data_sha256, code = checksum(data, rows), commit(Path(__file__).parents[2])
    work = work / run_key(settings, data_sha256)
    imagenet = read_imagenet() if pretrained else None

    split = split_by_group(rows, article, settings)
    fitted = fit_networks(split, data, settings, imagenet, work)
    choices = fitted.crops.of(split.choices)
    point = choose_operating_point(
        predicted(fitted.classifier, choices.composed()), choices.rows, settings
    )
    parts = _judge(split, fitted, point)
    figures = _figures(split, fitted, point, parts, settings, imagenet, work)
    publish(folder, fitted, point, figures, parts, Run(settings, data_sha256, code))
    return figures


def _judge(split: Split, fitted: Fitted, point: OperatingPoint) -> dict[str, Predictions]:
    """Predictions on everything that did not train; the held-out fold is opened here."""
    parts = {"choices": split.choices, "held_out": split.held_out, "article": split.article}
    found = {}
    for name, rows in parts.items():
        crops = fitted.crops.of(rows)
        logits = predicted(fitted.classifier, crops.composed())
        found[name] = predictions(logits, crops.rows, point)
    return found


def _figures(
    split: Split,
    fitted: Fitted,
    point: OperatingPoint,
    parts: dict[str, Predictions],
    settings: Settings,
    imagenet: State | None,
    work: Path,
) -> Figures:
    judge = Evaluator(settings, point.threshold)
    test = parts["article"].of(lambda row: "/test/" in row.path)
    log.info("sources left out")
    left_out = [
        evaluate_left_out(sources, split, fitted.crops, settings, imagenet, work)
        for sources in SOURCES_LEFT_OUT
    ]
    log.info("probe")
    return {
        "choices": judge.summary(parts["choices"]),
        "held_out": judge.summary(parts["held_out"]),
        "article_test": judge.article(test),
        "article_all": judge.article(parts["article"]),
        "left_out": left_out,
        "probe": probe(split, fitted.crops, fitted.classifier, point, settings, imagenet),
        "lung_finder_dice": fitted.dice,
        "refused_without_lungs": [row.path for row in fitted.crops.refused],
        "images": {name: len(getattr(split, name)) for name in ("training", *parts)},
    }
