"""Who trains, who is judged: every network of a run, decided before any of them is fitted.

A group (patient, duplicates, copies) never trains a network that it judges, whatever source its
images come from: the collections have copied from each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.errors import TableError

SERVED = "served"
# nih and rsna_normal may share patients: one source. figure1's images are too few for themselves.
SOURCES_LEFT_OUT = (("nih", "rsna_normal"), ("ieee8023",), ("armiro", "figure1"))


@dataclass(frozen=True)
class Fitting:
    """One network of a run.

    Attributes
    ----------
    name : str
        "served", "fold-2" (that fold did not train) or "without-ieee8023".
    training : tuple of Row
        What it is fitted on.
    judged : tuple of Row
        What it may be judged on.
    left_out : tuple of str
        Sources that did not train; empty for all but "without".
    beside : tuple of Row
        Images of the held-out fold from the sources that trained, to compare the unseen with.
    """

    name: str
    training: tuple[Row, ...]
    judged: tuple[Row, ...]
    left_out: tuple[str, ...] = ()
    beside: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        if not self.training or not self.judged:
            raise TableError(f"{self.name} must have images to train and to judge; it has not")
        groups = {row.group for row in self.training}
        if cut := sorted({row.group for row in self.judged + self.beside} & groups):
            raise TableError(f"a group must not train a network that it judges; cut: {cut[:3]}")


def all_fittings(
    rows: tuple[Row, ...], article: tuple[Row, ...], settings: Settings
) -> tuple[Fitting, ...]:
    """The networks of a run, the served one first.

    Images whose group occurs in the article's own set never train, so that the article's set can
    judge.

    Parameters
    ----------
    rows, article : tuple of Row
        Both tables.
    settings : Settings
        Section ``[folds]`` is used.
    """
    held_out = settings.folds.held_out
    folds = sorted({row.fold for row in rows} - {held_out})
    clean = tuple(row for row in rows if not row.article_overlap and row.fold != held_out)
    served = Fitting(SERVED, clean, _of(rows, lambda row: row.fold == held_out) + article)
    by_fold = [
        Fitting(
            f"fold-{fold}",
            _of(clean, lambda row, fold=fold: row.fold != fold),  # type: ignore[misc]
            _of(rows, lambda row, fold=fold: row.fold == fold),  # type: ignore[misc]
        )
        for fold in folds
    ]
    present = {row.source for row in rows}
    left_out = [
        without(sources, clean, rows, held_out)
        for sources in SOURCES_LEFT_OUT
        if present & set(sources)
    ]
    return served, *by_fold, *left_out


def without(
    sources: tuple[str, ...],
    training: tuple[Row, ...],
    rows: tuple[Row, ...],
    held_out: int | None = None,
) -> Fitting:
    """A network that never saw some sources, nor a copy of any of their images."""
    unseen = _of(rows, lambda row: row.source in sources)
    groups = {row.group for row in unseen}
    kept = _of(training, lambda row: row.source not in sources and row.group not in groups)
    beside = _of(rows, lambda row: row.fold == held_out and row.source not in sources)
    return Fitting(f"without-{'-'.join(sources)}", kept, unseen, sources, beside)


def _of(rows: tuple[Row, ...], wanted: Callable[[Row], bool]) -> tuple[Row, ...]:
    return tuple(row for row in rows if wanted(row))
