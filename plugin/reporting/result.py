"""A prediction as the reading page shows it. Pure; plain JSON values only.

Rows keep it as it was: the page also shows those from before a value existed.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from inference.model_facts import ModelFacts
from inference.prediction import Aside, Extent, Prediction, Reason
from plugin.reporting.answer import Answer, answer_at
from plugin.reporting.detail_words import (
    ASIDE_NOTE,
    EXTENT_NOTE,
    POINTS_NOTE,
    aside_notes,
    extent_note,
    level_in_words,
    measure_in_words,
    outside_note,
    points_in_words,
)
from plugin.reporting.image_read import ImageRead
from plugin.reporting.percent import percent
from plugin.reporting.prevalence_words import share_in_words
from plugin.reporting.site_prevalence import Prevalence
from plugin.reporting.wording import Words, meaning

VIEWS = {
    "PA": "Posteroanterior (PA)",
    "AP": "Anteroposterior (AP)",
    "LL": "Lateral (left)",
    "RL": "Lateral (right)",
    "LATERAL": "Lateral",
}


def result_json(
    prediction: Prediction,
    facts: ModelFacts,
    words: Words,
    image: ImageRead | None,
    *,
    card: str,
    read_at: str,
    site: Prevalence | None = None,
) -> dict[str, Any]:
    """Give the `result` of `GET /api/readings/<id>`; the route adds where the heat map is.

    Parameters
    ----------
    image : ImageRead or None
        The page lays the heat map over the image of this SOP Instance UID: its number may be
        another's when the study is opened again.
    read_at : str
        ISO time with zone.
    site : Prevalence or None
        As set for this EHR; None: the model's reference prevalence is presumed.
    """
    answer, target = answer_at(prediction, facts, site), facts.class_named(facts.target).label
    return {
        "status": prediction.status,
        "headline": words.headline,
        "sentences": list(words.sentences),
        "target": target,
        **_numbers(answer, facts),
        "meaning": list(meaning(answer, target)) if answer else [],
        "presumed": _presumed(answer),
        "operating_points": [asdict(one) for one in points_in_words(prediction, facts)],
        "operating_points_note": POINTS_NOTE,
        "interval_method": facts.interval_method if answer and answer.interval else None,
        "extent": _extent(prediction.extent),
        "aside": _aside(prediction.aside, target),
        "outside": outside_note(prediction.outside_share, facts.organ),
        "reasons": [_reason(one) for one in prediction.reasons],
        "cautions": [_reason(one) for one in prediction.cautions],
        "limits": list(facts.limits),
        "model": {
            "title": facts.title,
            "version": prediction.model.version,
            "weights": prediction.model.weights_sha256[:12],
            "card": card,
        },
        "image": prediction.image_index + 1,
        "sop_instance_uid": image.sop_instance_uid if image else None,
        "read_at": read_at,
    }


def view_label(view: str | None) -> str | None:
    """Write a ViewPosition in words; None when it is not stated."""
    return VIEWS.get(view, view.title()) if view else None


def _numbers(answer: Answer | None, facts: ModelFacts) -> dict[str, Any]:
    if answer is None:
        empty = dict.fromkeys(("probability", "percent", "positive", "interval"))
        return empty | {"classes": []}
    return {
        "probability": answer.probability,
        "percent": percent(answer.probability),
        "positive": answer.positive,
        "interval": list(answer.interval) if answer.interval else None,
        "classes": [
            {
                "code": one.key,
                "label": one.label,
                "probability": answer.classes[one.key],
                "percent": percent(answer.classes[one.key]),
                "target": one.key == facts.target,
            }
            for one in facts.classes
            if one.key in answer.classes
        ],
    }


def _presumed(answer: Answer | None) -> dict[str, Any] | None:
    """What the page needs to try another prevalence: the likelihood ratios and where it stands."""
    if answer is None or answer.prevalence is None:
        return None
    return {
        "prevalence": answer.prevalence.share,
        "set_by": answer.prevalence.set_by,
        "words": share_in_words(answer.prevalence.share),
        "reference": answer.reference,
        "ratio": answer.ratio,
        "interval_ratios": list(answer.interval_ratios) if answer.interval_ratios else None,
    }


def _extent(extent: Extent | None) -> dict[str, Any] | None:
    if extent is None:
        return None
    return {
        "level": extent.level,
        "words": level_in_words(extent),
        "measures": [measure_in_words(one) for one in extent.measures],
        "note": EXTENT_NOTE,
        "sentences": [extent_note(extent)],
    }


def _aside(aside: Aside | None, target: str) -> dict[str, Any] | None:
    if aside is None:
        return None
    return {
        "title": aside.title,
        "classes": [
            {"label": label, "probability": value, "percent": percent(value), "target": False}
            for label, value in aside.classes.items()
        ],
        "notes": [ASIDE_NOTE, *(caution.sentence for caution in aside.cautions)],
        "sentences": list(aside_notes(aside, target)),
    }


def _reason(reason: Reason) -> dict[str, str]:
    return {"code": reason.code, "sentence": reason.sentence}
