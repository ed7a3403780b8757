"""What facts must be like before anything is read with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from inference.model_facts import POINT_NAMES, ModelFacts


def broken_rule(facts: ModelFacts) -> str | None:
    """Give the first rule that these facts break, as a sentence with what arrived, or None."""
    rules: tuple[Callable[[ModelFacts], Iterator[str]], ...] = (
        _roles,
        _points,
        _prevalence,
        _outside,
        _ages,
    )
    return next((sentence for rule in rules for sentence in rule(facts)), None)


def _roles(facts: ModelFacts) -> Iterator[str]:
    if facts.target not in {one.key for one in facts.classes}:
        yield "FACTS.target must be the key of one of its classes."
    if "classifier" not in facts.networks:
        yield 'FACTS.networks must have the role "classifier".'


def _points(facts: ModelFacts) -> Iterator[str]:
    names = [one.name for one in facts.operating_points]
    if names != [name for name in POINT_NAMES if name in names]:
        yield (
            f"FACTS.operating_points must be of {', '.join(POINT_NAMES)}, each once at most and in "
            f"this order; got {', '.join(names)}."
        )
    if "balanced" not in names:
        yield 'FACTS.operating_points must hold the one named "balanced".'
    thresholds = [one.threshold for one in facts.operating_points]
    if not all(0 <= threshold <= 1 for threshold in thresholds):
        yield f"Thresholds of operating points must lie from 0 to 1; got {thresholds}."
    if thresholds != sorted(thresholds):
        yield f"Thresholds must not fall from rule_out to rule_in; got {thresholds}."


def _prevalence(facts: ModelFacts) -> Iterator[str]:
    prevalence = facts.reference_prevalence
    if prevalence is not None and not 0 < prevalence < 1:
        yield f"FACTS.reference_prevalence must lie above 0 and below 1; got {prevalence}."


def _outside(facts: ModelFacts) -> Iterator[str]:
    shares = [s for s in (facts.outside_caution, facts.outside_refusal) if s is not None]
    if not all(0 <= share <= 1 for share in shares) or shares != sorted(shares):
        yield (
            "FACTS.outside_caution and outside_refusal must lie from 0 to 1, the caution not above "
            f"the refusal; got {shares}."
        )


def _ages(facts: ModelFacts) -> Iterator[str]:
    if facts.aside_ages is not None and not 0 <= facts.aside_ages[0] < facts.aside_ages[1]:
        yield (
            "FACTS.aside_ages must be two ages in years, the lower one first; got "
            f"{facts.aside_ages}."
        )
