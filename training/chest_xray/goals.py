"""The goals that were set before training, and what was reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.markdown import estimate, table

Figures = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """One goal.

    Attributes
    ----------
    words : str
        What is measured.
    wanted : float
        The figure that was aimed at.
    at_most : bool
        Whether lower is better.
    reached : callable
        All figures -> the figure, with its interval where it has one; None where it was not had.
    """

    words: str
    wanted: float
    at_most: bool
    reached: Callable[[Figures], dict[str, Any] | float | None]


def _without(figures: Figures, source: str) -> Figures:
    return next((part for part in figures["left_out"] if source in part["left_out"]), {})


def _at(figures: Figures, source: str, *keys: str) -> Any:
    found: Any = _without(figures, source)
    for key in keys:
        found = (found or {}).get(key)
    return found


GOALS = (
    Goal(
        "within ieee8023, out of fold: AUC", 0.75, False,
        lambda f: f["out_of_fold"]["within_source"].get("ieee8023", {}).get("auc"),
    ),
    Goal(
        "ieee8023 left out: specificity at sensitivity 0.80", 0.55, False,
        lambda f: _at(f, "ieee8023", "specificity_at", "0.80"),
    ),
    Goal(
        "nih and rsna_normal left out: AUC against known Covid-19", 0.88, False,
        lambda f: _at(f, "nih", "against_known_covid", "auc"),
    ),
    Goal(
        "nih and rsna_normal left out: specificity", 0.65, False,
        lambda f: _at(f, "nih", "adults", "specificity"),
    ),
    Goal(
        "nih left out: AUC of the score for opaque against clear lungs", 0.70, False,
        lambda f: _at(f, "nih", "score_follows_opacity"),
    ),
    Goal(
        "lungs blanked, this network: AUC", 0.70, True,
        lambda f: f["probe"]["lungs_blanked"]["trained_network"]["adults_auc"],
    ),
    Goal(
        "healthy adults of an unseen source called Covid-19", 0.05, True,
        lambda f: _at(f, "nih", "healthy_adults_called_covid"),
    ),
    Goal(
        "other lung disease of an unseen source called Covid-19", 0.10, True,
        lambda f: _at(f, "nih", "others_called_covid"),
    ),
    Goal(
        "Covid-19 of an unseen source (armiro, figure1) found", 0.90, False,
        lambda f: _at(f, "armiro", "adults", "sensitivity"),
    ),
    Goal(
        "Covid-19 of an unseen source (ieee8023) found", 0.90, False,
        lambda f: _at(f, "ieee8023", "adults", "sensitivity"),
    ),
    Goal(
        "bacterial against viral in children: AUC", 0.80, False,
        lambda f: f["children"]["held_out"]["auc"] if f["children"] else None,
    ),
    Goal(
        "expected calibration error, unseen sources", 0.08, True,
        lambda f: f["calibration"]["expected_error"]["held_out_fold"],
    ),
    Goal(
        "lung finder, lowest mean Dice of a source", 0.95, False,
        lambda f: min(f["lung_finder_dice"].values()),
    ),
)  # fmt: skip


def goals_table(figures: Figures) -> str:
    """Markdown: each goal, what was reached, and whether that is enough."""
    lines = []
    for goal in GOALS:
        found = goal.reached(figures)
        value = found["value"] if isinstance(found, dict) else found
        sign = "at most" if goal.at_most else "at least"
        lines.append((goal.words, f"{sign} {goal.wanted:.2f}", _words(found), _met(goal, value)))
    return table(("goal", "wanted", "reached", ""), lines)


def _words(found: dict[str, Any] | float | None) -> str:
    if found is None or (isinstance(found, dict) and found["value"] is None):
        return "not measured"
    if isinstance(found, dict):
        return estimate(found)
    return f"{found:.3f}"


def _met(goal: Goal, value: float | None) -> str:
    if value is None:
        return "–"
    met = value <= goal.wanted if goal.at_most else value >= goal.wanted
    return "reached" if met else "**missed**"
