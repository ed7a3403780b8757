"""All figures of a run, from what its networks said."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.chest_xray.answers import Answers, Logits, out_of_fold, unseen
from training.chest_xray.calibration import (
    Calibration,
    Thresholds,
    balanced_weights,
    calibrate,
    choose_thresholds,
    expected_error,
)
from training.chest_xray.evaluation import Evaluator, Figures, Predictions, predictions
from training.chest_xray.protocol import SERVED
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row

INTERVAL_METHOD = (
    "Venn-Abers bounds from images of public collections that the answering network had not seen. "
    "They cover how well scores and frequencies agree there; not another hospital, camera or "
    "disease, nor the doubt about this one patient."
)


def fit_scale(answers: Mapping[str, Answers], settings: Settings) -> tuple[Calibration, Thresholds]:
    """Calibration and thresholds, from unseen sources without the held-out fold."""
    part = unseen(answers).of(lambda row: row.fold != settings.folds.held_out)
    scores = part.scores(settings.target_index)
    calibration = calibrate(scores, part.rows, settings)
    thresholds = choose_thresholds(calibration.probability(scores), part.rows, settings)
    return calibration, thresholds


class Report:
    """Figures at one calibration and one set of thresholds."""

    def __init__(
        self,
        answers: Mapping[str, Answers],
        calibration: Calibration,
        thresholds: Thresholds,
        settings: Settings,
    ) -> None:
        self._answers = answers
        self._calibration = calibration
        self._thresholds = thresholds
        self._settings = settings
        self._judge = Evaluator(settings, thresholds.balanced)

    def figures(self) -> Figures:
        """For ``figures.json``."""
        parts = self.parts()
        article = parts["article"]
        return {
            "held_out": self._judge.summary(parts["held_out"]),
            "out_of_fold": self._judge.summary(parts["oof"]),
            "left_out": [self._left_out(name) for name in self._without()],
            "calibration": self._calibration_figures(),
            "operating_points": self.operating_points(),
            "article_test": self._judge.article(article.of(lambda row: "/test/" in row.path)),
            "article_all": self._judge.article(article),
        }

    def parts(self) -> dict[str, Predictions]:
        """Calibrated predictions by part, as ``predictions.csv`` names them."""
        served = self._answers[SERVED].judged
        found = {
            "oof": self.calibrated(out_of_fold(self._answers)),
            "held_out": self.calibrated(served.of(lambda row: row.fold >= 0)),
            "article": self.calibrated(served.of(lambda row: row.fold < 0)),
        }
        for name in self._without():
            sources = "+".join(self._answers[name].fitting.left_out)
            found[f"left_out:{sources}"] = self.calibrated(self._answers[name].judged)
            found[f"beside:{sources}"] = self.calibrated(self._answers[name].beside)
        return found

    def calibrated(self, part: Logits) -> Predictions:
        """Probabilities of all classes."""
        return predictions(part.values, part.rows, self._calibration, self._settings.target_index)

    def operating_points(self) -> list[Figures]:
        """The three points with what they reach on unseen sources in the held-out fold.

        Neither these sources (for the answering network) nor this fold (for the thresholds) were
        seen before: the nearest thing here to another hospital.
        """
        part = self.calibrated(unseen(self._answers).of(self._held_out))
        points = []
        for name in ("rule_out", "balanced", "rule_in"):
            threshold = float(getattr(self._thresholds, name))
            found = Evaluator(self._settings, threshold).pooled(part)
            points.append(
                {
                    "name": name,
                    "threshold": threshold,
                    "sensitivity": found["sensitivity"],
                    "specificity": found["specificity"],
                }
            )
        return points

    def _left_out(self, name: str) -> Figures:
        one = self._answers[name]
        left_out, beside = self.calibrated(one.judged), self.calibrated(one.beside)
        return {
            "left_out": list(one.fitting.left_out),
            "trained_on": len(one.fitting.training),
            **self._judge.unseen(left_out, beside),
            "held_out_fold": self._judge.pooled(
                left_out.of(lambda row: self._held_out(row) and not row.child)
            ),
        }

    def _calibration_figures(self) -> Figures:
        target = self._settings.target_index
        fitted = unseen(self._answers)
        errors = {}
        for name, inside in (("fitted", False), ("held_out_fold", True)):
            part = fitted.of(lambda row, inside=inside: self._held_out(row) == inside)  # type: ignore[misc]
            probabilities = self._calibration.probability(part.scores(target))
            truth = np.array([row.label == self._settings.target for row in part.rows])
            weights = balanced_weights(part.rows, self._settings, self._calibration.prevalence)
            errors[name] = round(expected_error(probabilities, truth, weights), 4)
        return {
            "slope": round(self._calibration.slope, 4),
            "intercept": round(self._calibration.intercept, 4),
            "prevalence": self._calibration.prevalence,
            "images": self._calibration.images,
            "expected_error": errors,
        }

    def _without(self) -> list[str]:
        return [name for name, one in self._answers.items() if one.fitting.left_out]

    def _held_out(self, row: Row) -> bool:
        return row.fold == self._settings.folds.held_out
