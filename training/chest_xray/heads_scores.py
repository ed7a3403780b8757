"""What each head answers about images that trained neither it nor its parameters; kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve

from training.chest_xray.heads_estimators import (
    Chosen,
    Examples,
    Kind,
    fit,
    inner_scores,
    log_odds,
)
from training.chest_xray.heads_questions import Inputs, Mask, Part, Question, parts
from training.errors import TableError

log = logging.getLogger(__name__)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Unseen:
    """Answers about sources that were left out of training.

    Attributes
    ----------
    scores : numpy.ndarray
        Log-odds, shape (images,); NaN where not judged.
    threshold : float or None
        Yes at or above it; chosen without these sources, or not at all.
    """

    scores: Floats
    threshold: float | None


@dataclass(frozen=True)
class Scores:
    """Answers of one head to one question.

    Attributes
    ----------
    out_of_fold : numpy.ndarray
        Log-odds, shape (images,); NaN where not asked.
    unseen : mapping of str to Unseen
        By the part's name, such as ``without ieee8023``.
    chosen : mapping
        Parameters by the part's name, as JSON.
    seconds : float
        Time of all its fits and searches.
    """

    out_of_fold: Floats
    unseen: Mapping[str, Unseen] = field(default_factory=dict)
    chosen: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class _Fit:
    """The result of one part."""

    scores: Floats
    threshold: float
    chosen: dict[str, Any]
    seconds: float


def frozen_scores(kind: Kind, question: Question, inputs: Inputs, work: Path) -> Scores:
    """Fit a kind of head on frozen features, part by part; finished parts are read from ``work``.

    Parameters
    ----------
    kind : Kind
        Which head.
    question : Question
        What it is asked.
    inputs : Inputs
        Features and rows.
    work : pathlib.Path
        Folder outside the repository; a file's name holds a digest of all that it depends on.
    """
    empty = np.full(len(inputs.rows), np.nan)
    out_of_fold, unseen, chosen, seconds = empty.copy(), {}, {}, 0.0
    for part in parts(question, inputs):
        found = _kept(kind, question, part, inputs, work)
        chosen[part.name] = found.chosen
        seconds += found.seconds
        if not part.sources_left_out:
            out_of_fold[part.judged] = found.scores
            continue
        scores = empty.copy()
        scores[part.judged] = found.scores
        unseen[part.name] = Unseen(scores, found.threshold)
    return Scores(out_of_fold, unseen, chosen, seconds)


def _kept(kind: Kind, question: Question, part: Part, inputs: Inputs, work: Path) -> _Fit:
    examples = _examples(question, part.fitting, inputs)
    judged = inputs.features[part.judged]
    stem = f"{question.key}-{kind.name}-{part.name}".replace(" ", "")
    path = work / f"heads-{stem}-{_digest(kind, examples, judged)}.npz"
    if not path.exists():
        started = time.monotonic()
        chosen = kind.search(examples)
        scores = log_odds(fit(chosen, examples).predict_proba(judged))
        # Out of fold, the threshold comes from the other folds' answers (see decisions).
        threshold = _inner_threshold(chosen, examples) if part.sources_left_out else np.nan
        seconds = time.monotonic() - started
        log.info("%s, %s, %s: %.0f s", question.key, kind.name, part.name, seconds)
        _save(path, _Fit(scores, threshold, chosen.parameters, seconds))
    with np.load(path, allow_pickle=False) as stored:
        return _Fit(
            stored["scores"],
            float(stored["threshold"]),
            json.loads(str(stored["chosen"])),
            float(stored["seconds"]),
        )


def _save(path: Path, found: _Fit) -> None:
    """In one step: a killed run leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        scores=found.scores,
        threshold=found.threshold,
        chosen=json.dumps(found.chosen),
        seconds=found.seconds,
    )
    partial.replace(path)


def _examples(question: Question, fitting: Mask, inputs: Inputs) -> Examples:
    weights = question.counted[fitting]
    return Examples(
        inputs.features[fitting],
        question.truth[fitting],
        weights / weights.mean(),
        inputs.folds[fitting],
    )


def _digest(kind: Kind, examples: Examples, judged: NDArray[np.float32]) -> str:
    found = hashlib.sha256(json.dumps([kind.name, kind.options], sort_keys=True).encode())
    arrays = (examples.features, examples.truth, examples.weights, examples.folds, judged)
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:12]


def _inner_threshold(chosen: Chosen, examples: Examples) -> float:
    scores = inner_scores(chosen, examples)
    return balanced_threshold(examples.truth, scores, examples.weights)


def balanced_threshold(truth: Mask, scores: Floats, weights: Floats) -> float:
    """The score at which sensitivity and specificity, both weighted, lie closest together."""
    false_alarms, found, thresholds = roc_curve(truth, scores, sample_weight=weights)
    return float(thresholds[np.argmin(np.abs(found - (1 - false_alarms)))])


def decisions(scores: Scores, question: Question, inputs: Inputs) -> Mask:
    """Yes or no out of fold, shape (images,): each fold by a threshold from the other folds."""
    called = np.zeros(len(inputs.rows), bool)
    folds = inputs.folds
    for fold in np.unique(folds[question.asked]):
        here = question.asked & (folds == fold)
        others = question.asked & inputs.trains & (folds != fold)
        threshold = balanced_threshold(
            question.truth[others], scores.out_of_fold[others], question.counted[others]
        )
        called[here] = scores.out_of_fold[here] >= threshold
    return called


def stacked_scores(answers: Mapping[str, Scores], question: Question, inputs: Inputs) -> Scores:
    """Logistic regression over the out-of-fold answers of other heads.

    The weights of the heads in fold k come from the other folds alone, so no image has a say in
    its own answer. What remains: the heads behind the other folds' answers saw fold k in training;
    with one number for each head that is too little to pass a label on.

    Parameters
    ----------
    answers : mapping of str to Scores
        By the head's name.
    question, inputs : Question, Inputs
        What was asked of them.
    """
    columns = np.stack([one.out_of_fold for one in answers.values()], axis=1)  # (images, heads)
    folds, trains = inputs.folds, inputs.trains & question.asked
    found, chosen = np.full(len(inputs.rows), np.nan), {}
    for fold in np.unique(folds[question.asked]):
        here, others = question.asked & (folds == fold), trains & (folds != fold)
        centre, scale = columns[others].mean(axis=0), columns[others].std(axis=0)
        scaled = (columns - centre) / np.maximum(scale, 1e-12)
        model = LogisticRegression(max_iter=1000)
        counted = question.counted[others]
        model.fit(scaled[others], question.truth[others], sample_weight=counted / counted.mean())
        found[here] = model.decision_function(scaled[here])
        shares = zip(answers, model.coef_[0], strict=True)
        chosen[f"fold {fold}"] = {name: round(float(share), 3) for name, share in shares}
    return Scores(found, {}, chosen)


def checked(name: str, scores: Scores, question: Question, inputs: Inputs) -> Scores:
    """Answers that were made elsewhere, cut to the images that are judged.

    Raises
    ------
    TableError
        If an image that is judged has no finite score, or a left-out source is not known.
    """
    known = {part.name: part for part in parts(question, inputs) if part.sources_left_out}
    if unknown := sorted(scores.unseen.keys() - known.keys()):
        raise TableError(f"left-out sources must be {sorted(known)}; head {name!r} has {unknown}")
    cut = {
        part: Unseen(_only(one.scores, known[part].judged, name, part), one.threshold)
        for part, one in scores.unseen.items()
    }
    own = _only(scores.out_of_fold, question.asked, name, f"question {question.key}")
    return Scores(own, cut, scores.chosen, scores.seconds)


def _only(scores: Floats, judged: Mask, name: str, where: str) -> Floats:
    if missing := int((judged & ~np.isfinite(scores)).sum()):
        raise TableError(
            f"head {name!r} must answer every image of {where}; "
            f"{missing} of {int(judged.sum())} have no finite score"
        )
    return np.where(judged, scores, np.nan)


def own_fold(by_fold: Mapping[int, Floats], inputs: Inputs) -> Floats:
    """From each fold's network, the scores of its own held-out images.

    Parameters
    ----------
    by_fold : mapping of int to numpy.ndarray
        Fold -> log-odds of all images, shape (images,), by the network that did not train on it.
    inputs : Inputs
        The images.

    Returns
    -------
    numpy.ndarray
        Shape (images,); NaN for images of no such fold.
    """
    found = np.full(len(inputs.rows), np.nan)
    for fold, scores in by_fold.items():
        here = inputs.folds == fold
        found[here] = np.asarray(scores, np.float64)[here]
    return found
