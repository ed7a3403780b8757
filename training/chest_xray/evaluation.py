"""The figures of a trained model: per source, pooled, and what it must not do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.chest_xray.calibration import Calibration
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.intervals import Interval, area_under_curve, rate

Figures = dict[str, Any]
# How the beam went: back to front, front to back (standing or lying), not stated.
VIEWS = ("PA", "AP", "unknown")


@dataclass(frozen=True)
class Predictions:
    """Calibrated probabilities of some images.

    Attributes
    ----------
    rows : tuple of Row
        The images.
    probabilities : numpy.ndarray
        float64, shape (images, classes).
    """

    rows: tuple[Row, ...]
    probabilities: NDArray[np.float64]

    def of(self, wanted: Callable[[Row], bool]) -> Predictions:
        """The part whose rows are wanted."""
        keep = np.array([wanted(row) for row in self.rows], bool)
        rows = tuple(row for row in self.rows if wanted(row))
        return Predictions(rows, self.probabilities[keep])


def predictions(
    logits: NDArray[np.float32], rows: tuple[Row, ...], calibration: Calibration, target: int
) -> Predictions:
    """Calibrate logits."""
    return Predictions(rows, calibration.classes(logits, target))


def joined(parts: Iterable[Predictions]) -> Predictions:
    """Several predictions as one."""
    everything = tuple(parts)
    rows = tuple(row for part in everything for row in part.rows)
    return Predictions(rows, np.concatenate([part.probabilities for part in everything]))


class Evaluator:
    """Figures of predictions at one operating point, with intervals over groups."""

    def __init__(self, settings: Settings, threshold: float) -> None:
        self._settings = settings
        self._threshold = threshold

    def summary(self, all_ages: Predictions) -> Figures:
        """Every figure of one set of predictions, as JSON."""
        adults = all_ages.of(_adult)
        sources = sorted({row.source for row in adults.rows})
        cells = sorted({row.cell for row in all_ages.rows})
        return {
            "adults": self.pooled(adults),
            "within_source": {s: self.pooled(_source(adults, s)) for s in sources},
            "by_view": {v: self.pooled(_view(adults, v)) for v in VIEWS},
            "called_covid": {c: self.called(_cell(all_ages, c)).as_json() for c in cells},
            "healthy_adults_called_covid": self.called(adults.of(_healthy)).as_json(),
            "children_called_covid": self.called(all_ages.of(lambda r: r.child)).as_json(),
            "nih_pneumonia_against_normal": self.pneumonia(_source(adults, "nih")).as_json(),
            "nih_opacity_by_radiologists": self.opacity(adults).as_json(),
        }

    def article(self, part: Predictions) -> Figures:
        """The article's figures: share of right classes, and Covid-19 found and falsely called.

        All its Covid-19 images are of adults, all others of children: it compares ages as well.
        """
        classes, target = self._settings.classes, self._settings.target
        truth = np.array([classes.index(row.label) for row in part.rows])
        return {
            "right_class": self._rate(part, part.probabilities.argmax(axis=1) == truth).as_json(),
            "covid_found": self.called(part.of(lambda r: r.label == target)).as_json(),
            "others_called_covid": self.called(part.of(lambda r: r.label != target)).as_json(),
        }

    def pooled(self, part: Predictions) -> Figures:
        """Area under the curve, sensitivity and specificity for the target class."""
        target = self._settings.target
        sick = part.of(lambda row: row.label == target)
        well = part.of(lambda row: row.label != target)
        specificity = self._rate(well, self._scores(well) < self._threshold)
        return {
            "auc": self._area(part, lambda row: row.label == target).as_json(),
            "sensitivity": self.called(sick).as_json(),
            "specificity": specificity.as_json(),
        }

    def unseen(self, left_out: Predictions, beside: Predictions) -> Figures:
        """Figures on sources that a network never saw.

        Where they hold one class only, the other one comes from ``beside``: images of the held-out
        fold from sources that trained.
        """
        target = self._settings.target
        adults, known = left_out.of(_adult), beside.of(_adult)
        sick = known.of(lambda row: row.label == target)
        against = joined((adults.of(lambda row: row.label != target), sick))
        return {
            **self.summary(left_out),
            "against_known_covid": {
                "auc": self._area(against, lambda row: row.label == target).as_json(),
                "known_covid_found": self.called(sick).as_json(),
            },
            "specificity_at": self._specificities(adults, sick),
            "others_called_covid": self.called(
                adults.of(lambda row: row.label == "pneumonia_other")
            ).as_json(),
            "score_follows_opacity": self.follows_opacity(adults).as_json(),
        }

    def _specificities(self, adults: Predictions, known: Predictions) -> Figures:
        """Specificity at fixed sensitivities, on the unseen sources' own sick where they have any.

        The threshold is read off the same images, so it is a point of their ROC curve, not what a
        site would get.
        """
        target = self._settings.target
        own = adults.of(lambda row: row.label == target)
        sick = own if own.rows else known
        well = adults.of(lambda row: row.label != target)
        if not sick.rows or not well.rows:
            return {}
        return {
            f"{aimed:.2f}": self._rate(
                well, self._scores(well) < np.quantile(self._scores(sick), 1 - aimed)
            ).as_json()
            for aimed in (0.8, 0.9)
        }

    def follows_opacity(self, part: Predictions) -> Interval:
        """Area under the curve of the target's score for opaque against clear lungs inside nih."""
        judged = part.of(lambda row: row.radiologists in ("Normal", "Lung Opacity"))
        return self._area(judged, lambda row: row.radiologists == "Lung Opacity")

    def called(self, part: Predictions) -> Interval:
        """Share at or above the threshold."""
        return self._rate(part, self._scores(part) >= self._threshold)

    def pneumonia(self, part: Predictions) -> Interval:
        """Area under the curve of pneumonia against normal, the target class left aside."""
        return self._against_normal(part, lambda row: row.label == "pneumonia_other")

    def opacity(self, part: Predictions) -> Interval:
        """The same against the radiologists' classes of the RSNA 2018 challenge."""
        judged = part.of(lambda row: row.radiologists in ("Normal", "Lung Opacity"))
        return self._against_normal(judged, lambda row: row.radiologists == "Lung Opacity")

    def _against_normal(self, part: Predictions, positive: Callable[[Row], bool]) -> Interval:
        classes = self._settings.classes
        ill = part.probabilities[:, classes.index("pneumonia_other")]
        healthy = part.probabilities[:, classes.index("normal")]
        scores = np.log(np.maximum(ill, 1e-12)) - np.log(np.maximum(healthy, 1e-12))
        return self._area_of(part, positive, scores)

    def _scores(self, part: Predictions) -> NDArray[np.float64]:
        return part.probabilities[:, self._settings.target_index]

    def _area(self, part: Predictions, positive: Callable[[Row], bool]) -> Interval:
        return self._area_of(part, positive, self._scores(part))

    def _area_of(
        self, part: Predictions, positive: Callable[[Row], bool], scores: NDArray[np.float64]
    ) -> Interval:
        truth = np.array([positive(row) for row in part.rows], bool)
        times, seed = self._settings.report.bootstrap, self._settings.seed
        return area_under_curve(truth, scores, _groups(part), times, seed)

    def _rate(self, part: Predictions, hits: NDArray[np.bool_]) -> Interval:
        times, seed = self._settings.report.bootstrap, self._settings.seed
        return rate(hits, _groups(part), times, seed)


def _groups(part: Predictions) -> NDArray[np.str_]:
    return np.array([row.group for row in part.rows], str)


def _source(part: Predictions, source: str) -> Predictions:
    return part.of(lambda row: row.source == source)


def _view(part: Predictions, view: str) -> Predictions:
    return part.of(lambda row: (row.view or "unknown").startswith(view))


def _cell(part: Predictions, cell: str) -> Predictions:
    return part.of(lambda row: row.cell == cell)


def _adult(row: Row) -> bool:
    return not row.child


def _healthy(row: Row) -> bool:
    return row.label == "normal" and row.source in ("nih", "rsna_normal")
