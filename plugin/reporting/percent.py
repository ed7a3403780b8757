"""The one text for a probability on page, report and PDF."""

from __future__ import annotations


def percent(probability: float) -> str:
    """Write a probability as whole percent.

    Never "0 %" or "100 %", which would claim certainty; nor "99 %" for what is more.
    """
    exact = probability * 100
    if exact < 1:
        return "below 1 %"
    return "above 99 %" if exact > 99 else f"{round(exact)} %"
