"""Radiographic extent: how much of the lungs is opaque, in three scores and three levels.

The classifier's fourth output holds the scores; training decides which of them are good enough to
be shown (``trained.json``, key ``"extent"``). Extent is a property of the picture: it is not a
measure of how ill somebody is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference.prediction import Extent, Measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Scale:
    """A score that experts give to a chest X-ray, from 0 to ``highest``."""

    key: str
    label: str
    highest: float


# In the order of the classifier's output.
SCALES = (
    # Each lung 0 to 4, summed: 0, under 25 %, 25 to 50 %, 50 to 75 %, over 75 % of it involved.
    Scale("geographic_extent", "geographic extent", 8.0),
    # Each lung 0 to 3, summed: none, ground glass, consolidation, white-out.
    Scale("opacity", "degree of opacity", 6.0),
    # Six zones of 0 to 3 each (Borghesi and Maroldi 2020).
    Scale("brixia", "Brixia score", 18.0),
)
LEVELED = "geographic_extent"
LEVEL_LABELS = ("limited", "moderate", "extensive")
# By the steps of the scale: to 2, under a quarter of each lung on average; to 4, at most half.
LEVEL_CUTS = (2.0, 4.0)


def level_of(score: float, cuts: Sequence[float] = LEVEL_CUTS) -> int:
    """Level 1, 2 or 3 of a geographic extent: above how many of the cut points it lies, plus 1."""
    return 1 + sum(score > cut for cut in cuts)


def extent(scores: NDArray[np.float32], trained: Mapping[str, Any] | None) -> Extent | None:
    """The radiographic extent of one image.

    Parameters
    ----------
    scores : numpy.ndarray
        float32, shape (3,): the classifier's output ``extent``, in the order of ``SCALES``.
    trained : mapping or None
        Key ``"extent"`` of ``trained.json``: ``shown``, ``cuts`` of the levels, and ``errors``
        (mean absolute error of each score that may be shown).

    Returns
    -------
    Extent or None
        None where training found no score that is better than saying the mean.
    """
    if trained is None or not trained["shown"]:
        return None
    errors: Mapping[str, float] = trained["errors"]
    values = {scale.key: _on(scale, float(v)) for scale, v in zip(SCALES, scores, strict=True)}
    level = level_of(values[LEVELED], trained["cuts"])
    measures = tuple(
        Measure(scale.key, scale.label, values[scale.key], scale.highest, errors[scale.key])
        for scale in SCALES
        if scale.key in errors
    )
    return Extent(level, LEVEL_LABELS[level - 1], measures)


def _on(scale: Scale, value: float) -> float:
    return min(max(value, 0.0), scale.highest)
