"""The comparison of heads inside a run: its images, its networks' answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from training.chest_xray.answers import Answers, Logits, out_of_fold
from training.chest_xray.crops import Crops
from training.chest_xray.drawing import draw_weights
from training.chest_xray.evaluation import Figures
from training.chest_xray.heads import compare_heads
from training.chest_xray.heads_features import frozen_features
from training.chest_xray.heads_questions import COVID, Inputs, name_of
from training.chest_xray.heads_scores import Floats, Scores, Unseen
from training.chest_xray.imagenet import State
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row


def heads_of_run(
    answers: Mapping[str, Answers],
    crops: Crops,
    settings: Settings,
    imagenet: State | None,
    work: Path,
) -> Figures:
    """Compare heads with the run's own networks, on the folds and sources that these left out.

    Parameters
    ----------
    answers : mapping of str to Answers
        All networks of the run by name; every fold and some sources must have been left out.
    crops : Crops
        Lung boxes of all images; the article's are not used.
    settings : Settings
        Section ``[heads]``, and ``[draws]`` for the weights.
    imagenet : State or None
        Weights from which fine-tuning started; None: from chance.
    work : pathlib.Path
        Outside the repository; finished fits are read from here.

    Returns
    -------
    dict
        See :func:`training.chest_xray.heads.compare_heads`.
    """
    table = crops.of(tuple(row for row in crops.rows if row.fold >= 0))
    left_out = [one for one in answers.values() if one.fitting.left_out]
    inputs = Inputs(
        table.rows,
        frozen_features(table, settings, imagenet, work),
        _weights(table.rows, settings),
        tuple(one.fitting.left_out for one in left_out),
        settings.folds.held_out,
    )
    unseen = {
        name_of(one.fitting.left_out): Unseen(
            _in_order((one.judged, one.beside), table.rows, settings.target_index), None
        )
        for one in left_out
    }
    own = _in_order((out_of_fold(answers),), table.rows, settings.target_index)
    fine_tuned = {COVID: Scores(own, unseen)}
    with threadpool_limits(settings.threads):
        return compare_heads(inputs, fine_tuned, settings, work)


def _weights(rows: tuple[Row, ...], settings: Settings) -> Floats:
    """Each adult's share of the draws; children are asked nothing about Covid-19."""
    weights = np.zeros(len(rows))
    adult = np.array([not row.child for row in rows], bool)
    weights[adult] = draw_weights(tuple(row for row in rows if not row.child), settings)
    return weights


def _in_order(parts: tuple[Logits, ...], rows: tuple[Row, ...], target: int) -> Floats:
    """Log-odds of these rows, NaN where nothing was said."""
    said = {
        row.path: score
        for part in parts
        for row, score in zip(part.rows, part.scores(target), strict=True)
    }
    return np.array([said.get(row.path, np.nan) for row in rows], np.float64)
