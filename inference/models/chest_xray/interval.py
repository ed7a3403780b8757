"""The interval around a probability: Venn-Abers bounds as training found them."""

from __future__ import annotations

from typing import Any

import numpy as np


def interval(probability: float, trained: dict[str, Any] | None) -> tuple[float, float] | None:
    """Lower and upper probability, at the reference prevalence.

    Parameters
    ----------
    probability : float
        Of the target class, 0..1.
    trained : dict or None
        ``knots`` (ascending probabilities), ``low`` and ``high`` (the bounds at each), as
        ``trained.json`` holds them under "interval"; None where there is none.

    Returns
    -------
    tuple of float or None
        Straight lines between the knots, so that runtimes that differ in the last digits give the
        same bounds; never on the wrong side of the probability itself.

    References
    ----------
    Vovk and Petej, Venn-Abers predictors, UAI 2014.
    """
    if trained is None:
        return None
    low = float(np.interp(probability, trained["knots"], trained["low"]))
    high = float(np.interp(probability, trained["knots"], trained["high"]))
    return min(low, probability), max(high, probability)
