"""Figures of the heads: the same images, the same resampled groups for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.chest_xray.heads_questions import FEWEST, Inputs, Mask, Question
from training.chest_xray.heads_scores import Floats, Scores, Unseen, decisions
from training.chest_xray.settings import Settings
from training.intervals import Interval, area_under_curve, ranked_area, rate, resampled

Figures = dict[str, Any]
# The goal for unseen sources is stated at this sensitivity.
AIMED_SENSITIVITY = 0.8


class Judge:
    """Turns answers into figures with 95 % intervals over groups."""

    def __init__(self, inputs: Inputs, settings: Settings) -> None:
        self._inputs = inputs
        self._groups, self._sources = inputs.groups, inputs.sources
        self._times, self._seed = settings.report.bootstrap, settings.seed

    def figures(self, question: Question, answers: Mapping[str, Scores]) -> Figures:
        """Figures of every head; the first one is what the others are compared with."""
        first = next(iter(answers))
        return {
            "images": int(question.asked.sum()),
            "yes": int((question.asked & question.truth).sum()),
            "compared_with": first,
            "heads": {
                name: self._head(question, scores)
                | {"gain": self._gain(question, scores, answers[first])}
                for name, scores in answers.items()
            },
        }

    def _head(self, question: Question, scores: Scores) -> Figures:
        asked, truth = question.asked, question.truth
        called = decisions(scores, question, self._inputs)
        inside = self._inside(question)
        return {
            "auc": self._area(asked, truth, scores.out_of_fold).as_json(),
            "within": {
                source: self._area(here, truth, scores.out_of_fold).as_json()
                for source, here in inside.items()
            },
            "sensitivity": self._rate(asked & truth, called).as_json(),
            "specificity": {
                source: self._rate(asked & ~truth & (self._sources == source), ~called).as_json()
                for source in _common(self._sources[asked & ~truth])
            },
            "unseen": {name: self._unseen(question, one) for name, one in scores.unseen.items()},
            "chosen": dict(scores.chosen),
            "seconds": round(scores.seconds, 1),
        }

    def _inside(self, question: Question) -> dict[str, Mask]:
        """The sources that show both classes, where there is more than one source."""
        asked, truth = question.asked, question.truth
        sources = np.unique(self._sources[asked])
        if len(sources) == 1:
            return {}
        inside = {str(source): asked & (self._sources == source) for source in sources}
        return {
            source: here
            for source, here in inside.items()
            if min((here & truth).sum(), (here & ~truth).sum()) >= FEWEST
        }

    def _unseen(self, question: Question, found: Unseen) -> Figures:
        truth, judged = question.truth, np.isfinite(found.scores)
        figures = {"auc": self._area(judged, truth, found.scores).as_json()}
        if (judged & truth).any():
            strict = float(np.quantile(found.scores[judged & truth], 1 - AIMED_SENSITIVITY))
            clear = self._rate(judged & ~truth, found.scores < strict)
            figures["specificity_at_sensitivity"] = clear.as_json()
        if found.threshold is None:
            return figures
        called = judged & (found.scores >= found.threshold)
        return figures | {
            "sensitivity": self._rate(judged & truth, called).as_json(),
            "specificity": self._rate(judged & ~truth, ~called).as_json(),
        }

    def _gain(self, question: Question, scores: Scores, first: Scores) -> Figures:
        """Area under the curve minus the first head's, on the same resamples."""
        parts = {"auc": question.asked, **self._inside(question)}
        pair = (scores.out_of_fold, first.out_of_fold)
        return {n: self._difference(here, question.truth, pair) for n, here in parts.items()}

    def _difference(
        self, here: Mask, truth: Mask, pair: tuple[Floats, Floats]
    ) -> dict[str, float | int | None]:
        mine, its = (ranked_area(truth[here], scores[here]) for scores in pair)
        return resampled(
            lambda chosen: mine(chosen) - its(chosen), self._groups[here], self._times, self._seed
        ).as_json()

    def _area(self, here: Mask, truth: Mask, scores: Floats) -> Interval:
        groups = self._groups[here]
        return area_under_curve(truth[here], scores[here], groups, self._times, self._seed)

    def _rate(self, here: Mask, hits: Mask) -> Interval:
        return rate(hits[here], self._groups[here], self._times, self._seed)


def _common(sources: NDArray[np.str_]) -> list[str]:
    names, counts = np.unique(sources, return_counts=True)
    return [str(name) for name, count in zip(names, counts, strict=True) if count >= FEWEST]
