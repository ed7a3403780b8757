"""From one prevalence to another: what must hold for every probability."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import OutOfRange
from inference.prevalence import likelihood_ratio, posterior

PROBABILITIES = st.floats(0, 1)
PREVALENCES = st.floats(0, 1, exclude_min=True, exclude_max=True)
# Beyond these, 1 - value keeps too few digits for two ways of reckoning to agree.
INNER = st.floats(1e-6, 1 - 1e-6)


@given(PROBABILITIES, PREVALENCES, PREVALENCES)
def test_it_stays_a_probability(probability: float, reference: float, prevalence: float) -> None:
    assert 0 <= posterior(probability, reference, prevalence) <= 1


@given(PROBABILITIES, PREVALENCES)
def test_at_the_reference_prevalence_nothing_changes(probability: float, same: float) -> None:
    assert posterior(probability, same, same) == probability


@given(PROBABILITIES, PROBABILITIES, PREVALENCES, PREVALENCES)
def test_a_higher_probability_never_gives_a_lower_posterior(
    one: float, other: float, reference: float, prevalence: float
) -> None:
    low, high = sorted((one, other))
    assert posterior(low, reference, prevalence) <= posterior(high, reference, prevalence)


@given(PROBABILITIES, INNER, INNER, INNER)
def test_a_higher_prevalence_never_gives_a_lower_posterior(
    probability: float, reference: float, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    lower, higher = (posterior(probability, reference, rate) for rate in (low, high))
    assert lower <= higher + 1e-12


@given(PROBABILITIES, INNER, INNER)
def test_it_lies_on_the_side_of_the_prevalence(
    probability: float, reference: float, prevalence: float
) -> None:
    moved = posterior(probability, reference, prevalence) - probability
    assert moved * (prevalence - reference) >= -1e-12


@given(INNER, INNER, INNER)
def test_there_and_back_is_where_it_began(
    probability: float, reference: float, prevalence: float
) -> None:
    there = posterior(probability, reference, prevalence)
    # Where rounding has not eaten the way back.
    if 1e-9 < there < 1 - 1e-9:
        assert posterior(there, prevalence, reference) == pytest.approx(probability, rel=1e-5)


@given(INNER, INNER, INNER)
def test_the_likelihood_ratio_is_what_moves_the_odds(
    probability: float, reference: float, prevalence: float
) -> None:
    ratio = likelihood_ratio(probability, reference)
    assert ratio is not None
    odds = ratio * prevalence / (1 - prevalence)
    assert posterior(probability, reference, prevalence) == pytest.approx(odds / (1 + odds))


def test_bayes_by_hand() -> None:
    # Odds 4 at even prevalence; at one in ten the odds before are 1 to 9: 4/9 -> 4/13.
    assert posterior(0.8, 0.5, 0.1) == pytest.approx(4 / 13)
    assert likelihood_ratio(0.8, 0.5) == pytest.approx(4)
    assert likelihood_ratio(0.25, 0.25) == pytest.approx(1)


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_certainty_stays_certain(certain: float) -> None:
    assert posterior(certain, 0.3, 0.01) == certain


def test_certainty_has_no_odds() -> None:
    assert likelihood_ratio(1.0, 0.3) is None
    assert likelihood_ratio(0.0, 0.3) == 0


OUTSIDE_OPEN = [0.0, 1.0, -0.1, 1.1, float("nan"), float("inf")]


@pytest.mark.parametrize("wrong", OUTSIDE_OPEN)
def test_a_prevalence_that_can_be_none_is_refused(wrong: float) -> None:
    for reference, prevalence in ((wrong, 0.5), (0.5, wrong), (wrong, wrong)):
        with pytest.raises(OutOfRange, match="prevalence must lie above 0 and below 1; got"):
            posterior(0.5, reference, prevalence)
    with pytest.raises(OutOfRange, match="prevalence"):
        likelihood_ratio(0.5, wrong)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_a_probability_that_can_be_none_is_refused(wrong: float) -> None:
    with pytest.raises(OutOfRange, match="probability must lie from 0 to 1; got"):
        posterior(wrong, 0.5, 0.1)
    with pytest.raises(OutOfRange, match="probability"):
        likelihood_ratio(wrong, 0.5)
