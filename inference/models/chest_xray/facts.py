"""The facts of the chest X-ray model.

What training measured (checksums, operating points, how the interval was made, from which share of
the map outside the lungs on nothing is read) is read from ``trained.json``, which ``training``
writes together with the weights: the two cannot drift apart.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference.model_facts import (
    Coding,
    Measured,
    ModelClass,
    ModelFacts,
    NetworkFile,
    OperatingPoint,
)

_FOLDER = Path(__file__).parent
_TRAINED: dict[str, Any] = json.loads((_FOLDER / "trained.json").read_text("utf-8"))
_SNOMED = "http://snomed.info/sct"


def _measured(figure: dict[str, float]) -> Measured:
    return Measured(figure["value"], figure["low"], figure["high"])


def _points() -> list[dict[str, Any]]:
    """The operating points; weights from before there were three have the balanced one."""
    if "operating_points" in _TRAINED:
        return list(_TRAINED["operating_points"])
    only = {key: _TRAINED[key] for key in ("sensitivity", "specificity")}
    threshold = _TRAINED["operating_point"]["threshold"]
    return [{"name": "balanced", "threshold": threshold, **only}]


def _prevalence() -> float:
    if "reference_prevalence" in _TRAINED:
        return float(_TRAINED["reference_prevalence"])
    return float(_TRAINED["operating_point"]["prevalence"])


def _ages() -> tuple[float, float] | None:
    """Ages for which the network of bacterial against viral pneumonia was judged."""
    if _TRAINED.get("aside_ages") is None:
        return None
    low, high = _TRAINED["aside_ages"]
    return float(low), float(high)


def _in_hundred(share: float) -> str:
    return f"{100 * share:.0f} in 100"


def _range(low: float, high: float) -> str:
    both = _in_hundred(high)
    return both if _in_hundred(low) == both else f"{100 * low:.0f} to {both}"


def _limits() -> tuple[str, ...]:
    """What a clinician must know before reading the number; figures come from the last run."""
    balanced = next(point for point in _POINTS if point["name"] == "balanced")
    missed = 1 - balanced["sensitivity"]["value"]
    return (
        "Looked only for Covid-19; a low score does not exclude it, nor any other disease.",
        "A chest X-ray cannot confirm Covid-19; a test can. Early and mild cases often look "
        "normal.",
        f"On images kept apart from training it missed {_in_hundred(missed)} Covid-19 images. "
        "They came from the same collections as the training images; expect worse on yours.",
        *_unseen(_TRAINED["unseen_sources"]),
        "It does not tell Covid-19 reliably from other pneumonia.",
        "Trained on public images of 2020, for research and demonstration; not a medical device.",
    )


def _unseen(sources: dict[str, dict[str, dict[str, float]]]) -> tuple[str, ...]:
    """The nearest thing to another hospital: runs that never saw one source of images."""
    rates = [found["specificity"]["value"] for found in sources.values()]
    alarms = sorted(1 - rate for rate in rates if rate is not None)
    if not alarms:
        return ()
    return (
        "Versions trained without one source of images raised false alarms on "
        f"{_range(alarms[0], alarms[-1])} of that source's images without "
        "Covid-19; expect the same of images from elsewhere.",
    )


_POINTS = _points()
# Training writes the side; the weights before it did so were made for 160 pixels.
_SIDE = int(_TRAINED.get("input_side", 160))
_OUTSIDE: dict[str, float] = _TRAINED.get("outside", {})

FACTS = ModelFacts(
    name=_FOLDER.name,
    title="Chest X-ray, Covid-19",
    version="0.1.0",
    modalities=("CR", "DX"),
    body_parts=("CHEST", "THORAX", "LUNG"),
    views=("PA", "AP"),
    input_shape=(_SIDE, _SIDE, 1),
    classes=(
        ModelClass(
            "covid", "Covid-19", Coding(_SNOMED, "840539006", "Disease caused by SARS-CoV-2")
        ),
        ModelClass("normal", "No pneumonia", Coding(_SNOMED, "17621005", "Normal")),
        ModelClass("pneumonia_other", "Other pneumonia", Coding(_SNOMED, "233604007", "Pneumonia")),
    ),
    target="covid",
    operating_points=tuple(
        OperatingPoint(
            point["name"],
            point["threshold"],
            _measured(point["sensitivity"]),
            _measured(point["specificity"]),
        )
        for point in _POINTS
    ),
    networks={
        role: NetworkFile(network["file"], network["sha256"])
        for role, network in _TRAINED["networks"].items()
    },
    prepare_version=_TRAINED["prepare_version"],
    # Log-odds of Covid-19 at one cell: even odds are drawn as nothing, 400 to 1 as full colour.
    heat_map_range=(0.0, 6.0),
    minimum_age_years=16,
    minimum_side_pixels=200,
    limits=_limits(),
    licence="Apache-2.0",
    weights_licence="Research use only; see WEIGHTS_LICENSE.md",
    paper="No publication; see MODEL_CARD.md",
    reference_prevalence=_prevalence(),
    pictures="default",
    interval_method=_TRAINED.get("interval", {}).get("method"),
    organ="lungs",
    outside_caution=_OUTSIDE.get("caution"),
    outside_refusal=_OUTSIDE.get("refusal"),
    aside_ages=_ages(),
)
