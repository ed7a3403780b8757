"""The numbers of a prediction as they are said: one set for page, PDF, report and Observation.

Pure. A model's probability holds at its reference prevalence; here it, its interval, its classes
and the threshold beside it are moved to the site's by the same step (Bayes' rule on odds). On which
side of a threshold an image lies is decided at the reference and is the same after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.prevalence import likelihood_ratio, posterior
from plugin.reporting.site_prevalence import Prevalence, presumed

if TYPE_CHECKING:
    from inference.model_facts import ModelFacts
    from inference.prediction import Prediction

# Digits with which probabilities are written to the record; whoever rounds less says another one.
DIGITS = 4


@dataclass(frozen=True)
class Answer:
    """What is said of an image that was read.

    Attributes
    ----------
    probability, threshold : float
        Of the target and of the balanced operating point, 0..1, at `prevalence`.
    positive : bool
        Decided by the model at its reference prevalence.
    classes : mapping of str to float
        Probability per class key, at `prevalence`; among the classes besides the target nothing
        changes, so they share what the target leaves as before.
    interval : tuple of float or None
        Bounds of the probability, at `prevalence`.
    prevalence : Prevalence or None
        What the numbers presume; None for a model that does not say at which share it was made.
    reference : float or None
        The model's reference prevalence.
    ratio : float or None
        Likelihood ratio of the image, 0 or more.
    interval_ratios : tuple of float or None
        Likelihood ratios of the interval's bounds.
    """

    probability: float
    positive: bool
    threshold: float
    classes: Mapping[str, float]
    interval: tuple[float, float] | None = None
    prevalence: Prevalence | None = None
    reference: float | None = None
    ratio: float | None = None
    interval_ratios: tuple[float, float] | None = None


def answer_at(prediction: Prediction, facts: ModelFacts, site: Prevalence | None) -> Answer | None:
    """Move a prediction's numbers to the prevalence that it is shown for; None without a number.

    Parameters
    ----------
    site : Prevalence or None
        As set for this EHR; None: the model's reference prevalence is presumed.
    """
    if prediction.probability is None:
        return None
    prevalence, interval = presumed(facts, site), prediction.interval

    def moved(probability: float) -> float:
        if prevalence is None or facts.reference_prevalence is None:
            return probability
        return posterior(probability, facts.reference_prevalence, prevalence.share)

    probability = moved(prediction.probability)
    return Answer(
        probability=as_written(probability),
        positive=bool(prediction.positive),
        threshold=moved(facts.operating_point.threshold),
        classes=_classes(prediction.classes, facts.target, probability),
        interval=(as_written(moved(interval[0])), as_written(moved(interval[1])))
        if interval
        else None,
        prevalence=prevalence,
        reference=facts.reference_prevalence,
        ratio=prediction.likelihood_ratio,
        interval_ratios=_ratios(interval, facts.reference_prevalence),
    )


def as_written(probability: float) -> float:
    """Round a probability, but never to 0 or 1, which would claim certainty."""
    rounded = round(probability, DIGITS)
    return rounded if 0 < rounded < 1 else probability


def _classes(classes: Mapping[str, float], target: str, probability: float) -> dict[str, float]:
    left = 1 - classes.get(target, 0.0)
    scale = (1 - probability) / left if left > 0 else 0.0
    return {
        key: as_written(probability if key == target else value * scale)
        for key, value in classes.items()
    }


def _ratios(
    interval: tuple[float, float] | None, reference: float | None
) -> tuple[float, float] | None:
    if interval is None or reference is None:
        return None
    low, high = (likelihood_ratio(bound, reference) for bound in interval)
    return None if low is None or high is None else (low, high)
