"""The result in words: one set of sentences for the page, the report's conclusion and the PDF.

Pure. The words never say "negative" or "normal": the model looked for one thing only, and a low
probability does not exclude it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from inference.model_facts import ModelFacts
from inference.prediction import Prediction
from plugin.reporting.answer import Answer, answer_at
from plugin.reporting.detail_words import aside_notes, extent_note
from plugin.reporting.percent import percent
from plugin.reporting.prevalence_words import interval_note, prevalence_note, ratio_note
from plugin.reporting.site_prevalence import Prevalence

NOT_A_DIAGNOSIS = (
    "Unverified reading by a machine, for research and demonstration: not a diagnosis. "
    "A clinician must look at the images."
)
# Begins the conclusion of a report without a result.
UNREAD = "The study could not be read, so there is no probability"
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


def put_into_words(
    prediction: Prediction,
    facts: ModelFacts,
    *,
    unverifiable: bool,
    site: Prevalence | None = None,
) -> Words:
    """Say what the model found.

    Parameters
    ----------
    unverifiable : bool
        The images' patient number could not be compared; only birth date and sex agree.
    site : Prevalence or None
        As set for this EHR; None: the model's reference prevalence is presumed.
    """
    answer, target = answer_at(prediction, facts, site), facts.class_named(facts.target).label
    body = _unread(prediction, target) if answer is None else _read(prediction, answer, target)
    notes = [caution.sentence for caution in prediction.cautions]
    if unverifiable:
        notes.append(
            "The patient number in the images could not be compared with the chart's; "
            "birth date and sex agree."
        )
    return Words(body.headline, (*body.sentences, *notes, NOT_A_DIAGNOSIS))


def meaning(answer: Answer, target: str) -> tuple[str, ...]:
    """Say how sure the probability is, what it presumes, and what the image adds to that."""
    notes = (
        interval_note(answer),
        prevalence_note(answer, target),
        ratio_note(answer.ratio, target),
    )
    return tuple(note for note in notes if note)


def _read(prediction: Prediction, answer: Answer, target: str) -> Words:
    found = "Signs that fit" if answer.positive else "No clear signs of"
    headline = f"{found} {target}: probability {percent(answer.probability)} ({_beside(answer)})."
    extent = extent_note(prediction.extent)
    return Words(
        headline,
        (
            f"Looked only for {target}; a low score does not exclude it.",
            *meaning(answer, target),
            *((extent,) if extent else ()),
        ),
    )


def _beside(answer: Answer) -> str:
    """Name the threshold, at the same prevalence as the probability.

    Close together the words would differ while the numbers look the same: a digit more would tell
    them apart, but then the same probability had two texts.
    """
    number, threshold = percent(answer.probability), percent(answer.threshold)
    if number != threshold:
        return f"threshold {threshold}"
    near = "just " if number.endswith(" %") and number[0].isdigit() else ""
    return f"{near}{'above' if answer.positive else 'below'} the threshold"


def _unread(prediction: Prediction, target: str) -> Words:
    reasons = tuple(reason.sentence for reason in prediction.reasons)
    return Words(f"{UNREAD} of {target}.", (*reasons, *aside_notes(prediction.aside, target)))
