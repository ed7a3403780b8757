"""The article's figures of a trained network, and the ones that it did not look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import classification_report, confusion_matrix

from training.article.data import Rows, truth
from training.article.settings import CLASSES, TARGET, Settings
from training.intervals import Interval, rate

Figures = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """Rows and what the network said of them: float32, shape (images, classes)."""

    rows: Rows
    probabilities: NDArray[np.float32]

    @property
    def answers(self) -> NDArray[np.int64]:
        """The most probable class of each image."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    def without(self, rows: Rows) -> Judged:
        """All but these rows."""
        keep = [i for i, row in enumerate(self.rows) if row not in set(rows)]
        return Judged(tuple(self.rows[i] for i in keep), self.probabilities[keep])


def article_figures(judged: Judged, settings: Settings, seed: int) -> Figures:
    """Report, confusion matrix, accuracy, sensitivity and specificity, as the article gives them.

    Sensitivity and specificity are those of Covid-19 against the two other classes.
    """
    right, sick = truth(judged.rows), CLASSES.index(TARGET)
    answers, is_sick = judged.answers, truth(judged.rows) == sick
    groups = np.array([row.group for row in judged.rows])
    hits = answers == right
    found = (answers == sick) == is_sick

    def share(chosen: NDArray[np.bool_], part: NDArray[np.bool_]) -> dict[str, Any]:
        return rate(chosen[part], groups[part], settings.resamples, seed).as_json()

    return {
        "images": len(judged.rows),
        "right": int(hits.sum()),
        "accuracy": share(hits, np.ones_like(hits)),
        "sensitivity": share(found, is_sick),
        "specificity": share(found, ~is_sick),
        # Rows: truth; columns: answer.
        "confusion_matrix": confusion_matrix(
            right, answers, labels=list(range(len(CLASSES)))
        ).tolist(),
        "report": _report(judged, output_dict=True),
    }


def report_text(judged: Judged) -> str:
    """Precision, recall and F1 of each class, as the article prints them."""
    return str(_report(judged, output_dict=False))


def _report(judged: Judged, *, output_dict: bool) -> Any:
    return classification_report(
        truth(judged.rows),
        judged.answers,
        labels=list(range(len(CLASSES))),
        target_names=CLASSES,
        output_dict=output_dict,
        zero_division=0.0,
    )


def called_covid(judged: Judged, settings: Settings, seed: int) -> Figures:
    """Share of images whose most probable class is Covid-19, per source and in all."""
    called = judged.answers == CLASSES.index(TARGET)
    groups = np.array([row.group for row in judged.rows])
    sources = np.array([row.source for row in judged.rows])

    def share(part: NDArray[np.bool_]) -> Interval:
        return rate(called[part], groups[part], settings.resamples, seed)

    figures = {source: share(sources == source).as_json() for source in sorted(set(sources))}
    return {"all": share(np.ones_like(called)).as_json(), "by_source": figures}
