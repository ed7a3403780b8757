"""A prediction as the reading page shows it. Pure; plain JSON values only."""

from __future__ import annotations

from typing import Any

from inference.model_facts import ModelFacts
from inference.prediction import Prediction, Reason
from plugin.reporting.image_read import ImageRead
from plugin.reporting.wording import Words, percent

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
) -> dict[str, Any]:
    """Give the `result` of `GET /api/readings/<id>`; the route adds where the heat map is.

    Parameters
    ----------
    image : ImageRead or None
        The page lays the heat map over the image of this SOP Instance UID: its number may be
        another's when the study is opened again.
    read_at : str
        ISO time with zone.
    """
    probability = prediction.probability
    return {
        "status": prediction.status,
        "headline": words.headline,
        "sentences": list(words.sentences),
        "probability": probability,
        "percent": None if probability is None else percent(probability),
        "positive": prediction.positive,
        "classes": [
            {
                "code": one.key,
                "label": one.label,
                "probability": prediction.classes[one.key],
                "percent": percent(prediction.classes[one.key]),
                "target": one.key == facts.target,
            }
            for one in facts.classes
            if one.key in prediction.classes
        ],
        "interval": list(prediction.interval) if prediction.interval else None,
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


def _reason(reason: Reason) -> dict[str, str]:
    return {"code": reason.code, "sentence": reason.sentence}
