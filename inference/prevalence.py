"""From the prevalence that a probability assumes to another one, by Bayes' rule on odds."""

from __future__ import annotations

from inference.errors import OutOfRange


def posterior(probability: float, reference_prevalence: float, prevalence: float) -> float:
    """Give what a probability becomes where the disease is more or less common.

    The odds change by the ratio of the two prevalences' odds. This holds as far as the images of
    those with the disease, and of those without it, are alike in both places; a prevalence corrects
    nothing else.

    Parameters
    ----------
    probability : float
        0..1, calibrated at `reference_prevalence`. Each bound of an interval may be given too.
    reference_prevalence, prevalence : float
        Share with the disease, above 0 and below 1: where the model was calibrated, and where it
        is used.

    Returns
    -------
    float
        0..1; `probability` itself where both prevalences are the same.

    Raises
    ------
    OutOfRange
        A value outside its range.
    """
    _check_probability(probability)
    _check_prevalence(reference_prevalence)
    _check_prevalence(prevalence)
    if prevalence == reference_prevalence:
        return probability
    present = probability * (1 - reference_prevalence) * prevalence
    absent = (1 - probability) * reference_prevalence * (1 - prevalence)
    # One division that only ever grows with the probability, whatever is rounded on the way.
    return 1 / (1 + absent / present) if present > 0 else 0.0


def likelihood_ratio(probability: float, reference_prevalence: float) -> float | None:
    """Give the odds of a probability over the odds of the prevalence that it assumes.

    Parameters
    ----------
    probability : float
        0..1, calibrated at `reference_prevalence`.
    reference_prevalence : float
        Above 0 and below 1.

    Returns
    -------
    float or None
        0 or more; 1 where the image changes nothing. None for a probability of exactly 1, whose
        odds are no number.

    Raises
    ------
    OutOfRange
        A value outside its range.
    """
    _check_probability(probability)
    _check_prevalence(reference_prevalence)
    if probability == 1:
        return None
    return probability / (1 - probability) * (1 - reference_prevalence) / reference_prevalence


def _check_probability(value: float) -> None:
    if not 0 <= value <= 1:
        raise OutOfRange(f"A probability must lie from 0 to 1; got {value}.")


def _check_prevalence(value: float) -> None:
    if not 0 < value < 1:
        raise OutOfRange(f"A prevalence must lie above 0 and below 1; got {value}.")
