"""What the heads are asked, of which images, and which images train and judge in each part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.chest_xray.table import Row
from training.errors import TableError

Mask = NDArray[np.bool_]
COVID, BACTERIAL = "covid", "bacterial"


@dataclass(frozen=True)
class Inputs:
    """What every head is given.

    Attributes
    ----------
    rows : tuple of Row
        The images; those without a fold (the article's) are asked nothing.
    features : numpy.ndarray
        float32, shape (images, features): ImageNet features of the prepared images, made before
        any fine-tuning; see ``heads_features.frozen_features``.
    weights : numpy.ndarray
        float64, shape (images,): how much an image counts in fitting and for the threshold of
        the Covid-19 question, such as its share of the fine-tuned network's draws.
    left_out : tuple of tuple of str
        Sources that are left out of training together.
    reserved : int
        Fold from which no image trains while sources are left out: where the unseen sources show
        one class only, the other class is taken from it.
    """

    rows: tuple[Row, ...]
    features: NDArray[np.float32]
    weights: NDArray[np.float64]
    left_out: tuple[tuple[str, ...], ...]
    reserved: int

    @property
    def folds(self) -> NDArray[np.int64]:
        """The table's fold of each image, shape (images,)."""
        return np.array([row.fold for row in self.rows], np.int64)

    @property
    def groups(self) -> NDArray[np.str_]:
        """The group of each image, shape (images,)."""
        return np.array([row.group for row in self.rows], str)

    @property
    def sources(self) -> NDArray[np.str_]:
        """The source of each image, shape (images,)."""
        return np.array([row.source for row in self.rows], str)

    @property
    def trains(self) -> Mask:
        """Whether an image may train: the article's test keeps its own patients for itself."""
        return np.array([row.fold >= 0 and not row.article_overlap for row in self.rows], bool)


@dataclass(frozen=True)
class Question:
    """A yes or no about some of the images.

    Attributes
    ----------
    key : str
        ``"covid"`` (adults) or ``"bacterial"`` (against viral; children of kermany).
    asked, truth, counted : numpy.ndarray
        Shape (images,): whether the image belongs to the question; the answer; its weight.
    left_out : tuple of tuple of str
        Sources that are left out for this question.
    """

    key: str
    asked: Mask
    truth: Mask
    counted: NDArray[np.float64]
    left_out: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Part:
    """One fit: who trains and who is judged; no group is in both.

    Attributes
    ----------
    name : str
        Such as ``fold 0`` or ``without ieee8023``.
    fitting, judged : numpy.ndarray
        bool, shape (images,).
    sources_left_out : bool
        Whether whole sources are judged rather than a fold.
    """

    name: str
    fitting: Mask
    judged: Mask
    sources_left_out: bool = False


def questions(inputs: Inputs, target: str) -> tuple[Question, ...]:
    """Both questions.

    Raises
    ------
    TableError
        If a group lies in two folds, or a question lacks a class.
    """
    folds: dict[str, int] = {}
    for row in inputs.rows:
        if folds.setdefault(row.group, row.fold) != row.fold:
            raise TableError(f"a group must lie in one fold; {row.group} lies in two")
    rows, in_fold = inputs.rows, inputs.folds >= 0
    adult = in_fold & np.array([not row.child for row in rows], bool)
    young = in_fold & np.array([row.source == "kermany" and row.child for row in rows], bool)
    young &= np.array([row.finding in ("bacterial", "viral") for row in rows], bool)
    covid = np.array([row.label == target for row in rows], bool)
    bacterial = np.array([row.finding == "bacterial" for row in rows], bool)
    both = (
        Question(COVID, adult, covid, inputs.weights, inputs.left_out),
        # One source and two classes of like size: every image counts the same.
        Question(BACTERIAL, young, bacterial, np.ones(len(rows))),
    )
    for question in both:
        if len(np.unique(question.truth[question.asked])) < 2:
            raise TableError(f"the question {question.key!r} must have both answers in the table")
    return both


def parts(question: Question, inputs: Inputs) -> Iterator[Part]:
    """Each fold held out in turn, then each set of sources left out."""
    folds, trains = inputs.folds, inputs.trains & question.asked
    for fold in np.unique(folds[question.asked]):
        here = folds == fold
        yield Part(f"fold {fold}", trains & ~here, question.asked & here)
    for sources in question.left_out:
        unseen = question.asked & np.isin(inputs.sources, sources)
        reserved = folds == inputs.reserved
        judged = unseen.copy()
        if len(missing := np.setdiff1d([False, True], question.truth[unseen])):
            judged |= question.asked & reserved & np.isin(question.truth, missing)
        seen_groups = np.isin(inputs.groups, inputs.groups[judged])
        yield Part(name_of(sources), trains & ~unseen & ~reserved & ~seen_groups, judged, True)


def name_of(sources: tuple[str, ...]) -> str:
    """How a set of left-out sources is called in figures, such as ``without ieee8023``."""
    return f"without {' + '.join(sources)}"
