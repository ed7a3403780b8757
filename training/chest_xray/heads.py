"""Heads on one and the same preparation compared, to see whether fine-tuning earns its hours.

Logistic regression, boosted trees and FLAML's choice look at frozen ImageNet features; the
fine-tuned network and a stack over all of them stand beside. Pooled figures rank the wrong head
first, because most sources show one class only: read those within a source and on unseen sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from training.chest_xray.heads_estimators import Kind, kinds
from training.chest_xray.heads_figures import Judge
from training.chest_xray.heads_questions import Inputs, Question, parts, questions
from training.chest_xray.heads_scores import (
    Scores,
    checked,
    frozen_scores,
    stacked_scores,
)
from training.chest_xray.settings import Settings

FINE_TUNED, STACKED = "fine_tuned", "stacked"


def compare_heads(
    inputs: Inputs,
    fine_tuned: Mapping[str, Scores],
    settings: Settings,
    work: Path,
    heads: tuple[Kind, ...] | None = None,
) -> dict[str, Any]:
    """Fit, stack and judge all heads.

    Parameters
    ----------
    inputs : Inputs
        Rows, frozen features, weights, sources to leave out. All that is in it is used: while
        developing, give it no image of the held-out fold.
    fine_tuned : mapping of str to Scores
        The fine-tuned networks' answers by question (``"covid"``, ``"bacterial"``); a question
        that is not in it is compared without them.
    settings : Settings
        Seed, target, resamples, and section ``[heads]``.
    work : pathlib.Path
        Outside the repository. Finished fits are read from here, so an interrupted run goes on.
    heads : tuple of Kind, optional
        Heads on frozen features; by default all three.

    Returns
    -------
    dict
        Figures under the key ``heads`` of ``figures.json``.

    Raises
    ------
    TableError
        If a group is cut, a class is missing, or the fine-tuned answers lack an image.
    """
    asked = questions(inputs, settings.target)
    if heads is None:
        seed = int(np.random.default_rng([settings.seed, 50]).integers(2**31))
        searches = sum(len(list(parts(question, inputs))) for question in asked)
        heads = kinds(seed, settings.heads.automl_seconds / searches)
    judge = Judge(inputs, settings)
    return {
        "automl_seconds": settings.heads.automl_seconds,
        "questions": {
            question.key: judge.figures(
                question, _answers(question, inputs, fine_tuned.get(question.key), heads, work)
            )
            for question in asked
        },
    }


def _answers(
    question: Question,
    inputs: Inputs,
    fine_tuned: Scores | None,
    heads: tuple[Kind, ...],
    work: Path,
) -> dict[str, Scores]:
    found = {kind.name: frozen_scores(kind, question, inputs, work) for kind in heads}
    if fine_tuned is not None:
        found[FINE_TUNED] = checked(FINE_TUNED, fine_tuned, question, inputs)
    found[STACKED] = stacked_scores(found, question, inputs)
    return found
