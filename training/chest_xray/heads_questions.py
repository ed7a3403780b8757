"""What the heads are asked, of which images, and which images train and judge in each part."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.chest_xray.table import Row
from training.errors import TableError

log = logging.getLogger(__name__)
Mask = NDArray[np.bool_]
COVID, BACTERIAL = "covid", "bacterial"
# A source with fewer images of a class says nothing about it.
FEWEST = 10


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
        The held-out fold: none of its images trains or chooses. Where sources that are left out
        show one class only, the other class is taken from it.
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
        allowed = (row.fold not in (-1, self.reserved) for row in self.rows)
        apart = (not row.article_overlap for row in self.rows)
        return np.array([a and b for a, b in zip(allowed, apart, strict=True)], bool)


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
    """The questions to which the table has both answers.

    Raises
    ------
    TableError
        If a group lies in two folds.
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
    whole = [one for one in both if len(np.unique(one.truth[one.asked & inputs.trains])) == 2]
    for one in both:
        if all(one is not kept for kept in whole):
            log.info("heads: no comparison for %s, the table lacks an answer", one.key)
    return tuple(whole)


def parts(question: Question, inputs: Inputs) -> Iterator[Part]:
    """Each fold held out in turn, then each set of sources left out."""
    folds, trains = inputs.folds, inputs.trains & question.asked
    for fold in np.unique(folds[question.asked]):
        here = folds == fold
        yield Part(f"fold {fold}", trains & ~here, question.asked & here)
    for sources in question.left_out:
        unseen = question.asked & np.isin(inputs.sources, sources)
        beside = question.asked & (folds == inputs.reserved) & ~unseen
        judged = unseen | (beside & np.isin(question.truth, _rare(question.truth[unseen])))
        # Not a copy of an unseen image either: the collections have copied from each other.
        copies = np.isin(inputs.groups, inputs.groups[judged])
        fitting = trains & ~unseen & ~copies
        if len(np.unique(question.truth[fitting])) == 2:
            yield Part(name_of(sources), fitting, judged, True)


def _rare(answers: Mask) -> list[bool]:
    """The answers that too few images give."""
    return [answer for answer in (False, True) if (answers == answer).sum() < FEWEST]


def name_of(sources: tuple[str, ...]) -> str:
    """How a set of left-out sources is called in figures, such as ``without ieee8023``."""
    return f"without {' + '.join(sources)}"
