"""In words: the prevalence that a probability presumes, likelihood ratio, interval. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugin.reporting.percent import percent

if TYPE_CHECKING:
    from plugin.reporting.answer import Answer
    from plugin.reporting.site_prevalence import Prevalence

# Beyond it a figure would claim more than any set of test images can show.
HIGHEST_RATIO = 100
# A share may be off by this much of itself when it is said as "5 in 100".
NEAR = 0.05


def share_in_words(share: float) -> str:
    """Write a share of patients as people count them: "5 in 100", "25 in 1000"."""
    for base in (100, 1000, 10_000):
        found = round(share * base)
        if 0 < found < base and abs(found / base - share) <= NEAR * min(share, 1 - share):
            return f"{found} in {base}"
    return "fewer than 1 in 1000" if share < 0.5 else "more than 999 in 1000"


def prevalence_note(answer: Answer, target: str) -> str | None:
    """Say which share of ill patients the probability presumes, and who set it."""
    if answer.prevalence is None:
        return None
    return (
        f"The probability presumes that {share_in_words(answer.prevalence.share)} patients "
        f"have {target} ({_set_by(answer.prevalence)}); where fewer have it, it is too high."
    )


def _set_by(prevalence: Prevalence) -> str:
    if prevalence.set_by == "model":
        return "the model's reference; no other share is set here"
    place = prevalence.ehr if prevalence.set_by == "ehr" else "this installation of Wetread"
    return f"as set for {place}"


def ratio_note(ratio: float | None, target: str) -> str | None:
    """Say how much more frequent such a picture is among those with the disease, or without it.

    Parameters
    ----------
    ratio : float or None
        Likelihood ratio, 0 or more.
    """
    if ratio is None:
        return None
    times = _times(ratio if ratio >= 1 else 1 / ratio if ratio else float("inf"))
    if times == "1.0":
        return (
            f"By this model, such a picture is about as frequent in people with {target} as in "
            "people without."
        )
    if ratio >= 1:
        most, least = f"with {target}", "without"
    else:
        most, least = f"without {target}", "with it"
    return (
        f"By this model, such a picture is {times} times as frequent in people {most} as in "
        f"people {least}."
    )


def interval_note(answer: Answer) -> str | None:
    """Say between which bounds the probability may lie."""
    if answer.interval is None:
        return None
    low, high = (percent(bound) for bound in answer.interval)
    if low == high:
        return f"The probability may lie around {low}: so do both ends of its interval."
    return f"The probability may lie anywhere from {low} to {high}."


def _times(ratio: float) -> str:
    if ratio > HIGHEST_RATIO:
        return f"more than {HIGHEST_RATIO}"
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"
