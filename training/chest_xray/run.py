"""The training of the chest X-ray model, top to bottom."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import keras

from training.chest_xray.answers import Answers, by_fold, features_by_fold, fit_and_ask
from training.chest_xray.calibration import Calibration, Thresholds
from training.chest_xray.children import ChildrenFit, fit_children
from training.chest_xray.classifier import features_of
from training.chest_xray.crops import Crops
from training.chest_xray.evaluation import Figures
from training.chest_xray.extent import ExtentFit, fit_extent
from training.chest_xray.figures import Report, fit_scale
from training.chest_xray.heads_run import heads_of_run
from training.chest_xray.imagenet import State, read_imagenet
from training.chest_xray.networks import LungBoxes, find_lung_boxes
from training.chest_xray.novelty import Novelty
from training.chest_xray.novelty_run import novelty_of_run
from training.chest_xray.occlusion import Explained, explain
from training.chest_xray.orientation import OrientationFit, fit_orientation
from training.chest_xray.probe import Probed, probe
from training.chest_xray.protocol import SERVED, all_fittings
from training.chest_xray.publish import Provenance, publish
from training.chest_xray.refusals_run import add_refusals
from training.chest_xray.settings import Settings, load_settings
from training.chest_xray.table import Row, checksum, load_table
from training.record import commit, run_key
from training.work_folder import what_was_found

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Results:
    """Everything that a run has fitted and measured.

    Attributes
    ----------
    boxes : LungBoxes
        The lung finder and all lung boxes.
    orientation : OrientationFit
        The network that refuses turned, mirrored and inverted pictures.
    answers : dict of str to Answers
        All classifiers by name.
    calibration, thresholds : Calibration, Thresholds
        From log-odds to an answer.
    novelty : Novelty
        The distance that refuses what is unlike the training images.
    extent : ExtentFit
        Radiographic extent.
    children : ChildrenFit or None
        Bacterial against viral.
    explained : Explained
        Limits for the share of the map outside the lungs.
    report : Report
        Predictions and their figures.
    figures : dict
        All figures, as in ``figures.json``.
    """

    boxes: LungBoxes
    orientation: OrientationFit
    answers: dict[str, Answers]
    calibration: Calibration
    thresholds: Thresholds
    novelty: Novelty
    extent: ExtentFit
    children: ChildrenFit | None
    explained: Explained
    report: Report
    figures: Figures


def run(folder: Path, data: Path, work: Path, *, pretrained: bool = True) -> Figures:
    """Train, judge and publish the model.

    Parameters
    ----------
    folder : pathlib.Path
        The model folder: holds ``training.toml`` and ``facts.py``, receives the results.
    data : pathlib.Path
        The data folder: ``cxr.csv``, ``article.csv`` and the files that they name.
    work : pathlib.Path
        Checkpoints and lung boxes, outside the repository. An interrupted run goes on from here.
    pretrained : bool
        Whether the networks start from ImageNet weights.

    Returns
    -------
    dict
        All figures, as in ``figures.json``.
    """
    settings = load_settings(folder / "training.toml")
    rows, article = load_table(data), load_table(data, "article.csv")
    data_sha256, code = checksum(data, rows), commit(Path(__file__).parents[2])
    work = work / run_key(settings, data_sha256)
    log.info("%s", what_was_found(work))
    imagenet = read_imagenet() if pretrained else None

    results = fit(rows, article, data, settings, imagenet, work)
    publish(folder, results, Provenance(settings, data_sha256, code))
    # Refusals are counted on the published model, through its whole way of reading.
    return add_refusals(folder, rows, data, settings)


def fit(
    rows: tuple[Row, ...],
    article: tuple[Row, ...],
    data: Path,
    settings: Settings,
    imagenet: State | None,
    work: Path,
) -> Results:
    """Fit every network and measure it; the held-out fold is opened here."""
    plan = all_fittings(rows, article, settings)
    boxes = find_lung_boxes(rows + article, data, settings, work)
    crops = boxes.crops
    orientation = fit_orientation(rows, data, settings, work)
    answers = fit_and_ask(plan, crops, settings, imagenet, work)
    calibration, thresholds = fit_scale(answers, settings)
    report = Report(answers, calibration, thresholds, settings)

    served, models = answers[SERVED], by_fold(answers, settings.folds.held_out)
    log.info("probe")
    probed = probe(_probed(served, crops), settings, imagenet)
    log.info("extent")
    extent = _extent(models, served, crops, settings)
    log.info("children")
    children = fit_children(crops, settings, imagenet, work)
    log.info("distance")
    novelty = novelty_of_run(answers, crops, data, settings)
    log.info("occlusion")
    explained = explain(models, crops, calibration, thresholds, settings)
    log.info("heads")
    heads = heads_of_run(answers, crops, settings, imagenet, work)
    figures = {
        **report.figures(),
        "probe": probed,
        "extent": extent.figures,
        "children": children.figures if children else None,
        "novelty": novelty.figures,
        "orientation": orientation.figures,
        "occlusion": explained.figures,
        "heads": heads,
        "lung_finder_dice": boxes.dice,
        "refused_without_lungs": [row.path for row in crops.refused],
        "images": {name: len(one.fitting.training) for name, one in answers.items()},
    }
    return Results(
        boxes, orientation, answers, calibration, thresholds, novelty, extent, children,
        explained, report, figures,
    )  # fmt: skip


def _probed(served: Answers, crops: Crops) -> Probed:
    adults = tuple(row for row in served.fitting.training if not row.child)
    judged = tuple(row for row in served.fitting.judged if not row.child and row.fold >= 0)
    return Probed(served.model, crops.of(adults), crops.of(judged))


def _extent(
    models: dict[int, keras.Model], served: Answers, crops: Crops, settings: Settings
) -> ExtentFit:
    scored = crops.of(tuple(row for row in crops.rows if _scored(row)))
    features = features_by_fold(models, scored)
    return fit_extent(scored.rows, features, features_of(served.model, scored.composed()), settings)


def _scored(row: Row) -> bool:
    return any(score is not None for score in (row.geographic_extent, row.opacity, row.brixia))
