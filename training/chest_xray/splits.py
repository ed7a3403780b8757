"""Who trains, who decides, who judges: whole groups, by the table's own folds."""

from __future__ import annotations

from dataclasses import dataclass

from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.errors import TableError

ARTICLE = "article"


@dataclass(frozen=True)
class Split:
    """Rows by their use.

    Attributes
    ----------
    training, choices, held_out : tuple of Row
        Fitting; temperature and threshold; the report. ``held_out`` is looked at once.
    article : tuple of Row
        The article's own images; no image of their groups is in ``training`` or ``choices``.
    """

    training: tuple[Row, ...]
    choices: tuple[Row, ...]
    held_out: tuple[Row, ...]
    article: tuple[Row, ...]

    @property
    def all(self) -> tuple[Row, ...]:
        """Every row of the four parts."""
        return self.training + self.choices + self.held_out + self.article


def split_by_group(rows: tuple[Row, ...], article: tuple[Row, ...], settings: Settings) -> Split:
    """Split by the table's fold column.

    Raises
    ------
    TableError
        If a part is empty, or a group would be cut.
    """
    kept = (settings.folds.held_out, settings.folds.choices)
    clean = tuple(row for row in rows if not row.article_overlap)
    split = Split(
        training=tuple(row for row in clean if row.fold not in kept),
        choices=tuple(row for row in clean if row.fold == settings.folds.choices),
        held_out=tuple(row for row in rows if row.fold == settings.folds.held_out),
        article=article,
    )
    if not (split.training and split.choices and split.held_out):
        raise TableError("training, choices and held-out folds must all hold images; one is empty")
    _refuse_shared_groups(split)
    return split


def _refuse_shared_groups(split: Split) -> None:
    training, choices = _groups(split.training), _groups(split.choices)
    held_out, article = _groups(split.held_out), _groups(split.article)
    fitted = training | choices
    if shared := (training & choices) | (fitted & held_out) | (fitted & article):
        raise TableError(f"a group must lie in one part of the split; cut: {sorted(shared)[:3]}")


def _groups(rows: tuple[Row, ...]) -> set[str]:
    return {row.group for row in rows}
