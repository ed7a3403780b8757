"""The result in words: one set of sentences for the page, the report's conclusion and the PDF.

Pure. The words never say "negative" or "normal": the model looked for one thing only, and a low
probability does not exclude it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from inference.model_facts import ModelFacts
from inference.prediction import Prediction

NOT_A_DIAGNOSIS = (
    "Unverified reading by a machine, for research and demonstration: not a diagnosis. "
    "A clinician must look at the images."
)
# Begins the conclusion of a report without a result.
UNREAD = "The study could not be read, so there is no probability."
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FHIR_TIME = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<clock>\d\d:\d\d)(:\d\d(\.\d+)?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?"
)


@dataclass(frozen=True)
class Words:
    """What is said about a prediction.

    Attributes
    ----------
    headline : str
        The result in one line.
    sentences : tuple of str
        What must be known with it, in the order of importance.
    """

    headline: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """Everything as one paragraph."""
        return " ".join((self.headline, *self.sentences))


def percent(probability: float) -> str:
    """Write a probability as whole percent: the one text for it on page, report and PDF.

    Never "0 %" or "100 %", which would claim certainty; nor "99 %" for what is more.
    """
    exact = probability * 100
    if exact < 1:
        return "below 1 %"
    return "above 99 %" if exact > 99 else f"{round(exact)} %"


def date_in_words(text: str | None) -> str | None:
    """Write a FHIR date, dateTime or instant with the month in letters and the time zone named.

    None stays None; what is none of them stays as it is.
    """
    found = FHIR_TIME.fullmatch(text or "")
    if found is None or not 1 <= int(found["month"] or 1) <= len(MONTHS):
        return text
    day = str(int(found["day"])) if found["day"] else None
    month = MONTHS[int(found["month"]) - 1] if found["month"] else None
    date = " ".join(part for part in (day, month, found["year"]) if part)
    if found["clock"] is None:
        return date
    zone = {"Z": "+00:00", None: None}.get(found["zone"], found["zone"])
    return f"{date}, {found['clock']}" + (f" (UTC{zone})" if zone else "")


def put_into_words(prediction: Prediction, facts: ModelFacts, *, unverifiable: bool) -> Words:
    """Say what the model found.

    Parameters
    ----------
    unverifiable : bool
        The images' patient number could not be compared; only birth date and sex agree.
    """
    if prediction.probability is None:
        body = _unread(prediction)
    else:
        body = _read(prediction, prediction.probability, facts)
    notes = [caution.sentence for caution in prediction.cautions]
    if unverifiable:
        notes.append(
            "The patient number in the images could not be compared with the chart's; "
            "birth date and sex agree."
        )
    return Words(body.headline, (*body.sentences, *notes, NOT_A_DIAGNOSIS))


def _read(prediction: Prediction, probability: float, facts: ModelFacts) -> Words:
    target = facts.class_named(facts.target).label
    found = "Signs that fit" if prediction.positive else "No clear signs of"
    number, threshold = percent(probability), percent(facts.operating_point.threshold)
    # Close together the words would differ while the numbers look the same: a digit more would
    # tell them apart, but then the same probability had two texts.
    side = "just above" if prediction.positive else "just below"
    beside = f"{side} the threshold" if number == threshold else f"threshold {threshold}"
    headline = f"{found} {target}: probability {number} ({beside})."
    known = [f"Looked only for {target}; a low score does not exclude it."]
    if prediction.interval is not None:
        low, high = (percent(bound) for bound in prediction.interval)
        known.append(f"The probability may lie between {low} and {high}.")
    note = prevalence_note(facts)
    return Words(headline, (*known, note) if note else tuple(known))


def prevalence_note(facts: ModelFacts) -> str | None:
    """Say for which share of ill patients the probability was made: without, it means nothing."""
    if facts.reference_prevalence is None:
        return None
    target = facts.class_named(facts.target).label
    return (
        f"The probability presumes that {round(100 * facts.reference_prevalence)} in 100 patients "
        f"have {target}; where fewer have it, it is too high."
    )


def _unread(prediction: Prediction) -> Words:
    reasons = tuple(reason.sentence for reason in prediction.reasons)
    return Words(UNREAD, reasons)
