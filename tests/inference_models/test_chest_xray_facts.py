"""The facts of the chest X-ray model follow what training writes, whatever of it is there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from inference.errors import ModelRefused
from inference.model_facts import Measured, ModelFacts
from inference.registry import model_facts, model_folder

BUILT_IN = model_folder("chest_xray")


def point(name: str, threshold: float, sensitivity: float) -> dict[str, Any]:
    figure = {"value": sensitivity, "low": sensitivity - 0.1, "high": sensitivity + 0.1}
    return {
        "name": name,
        "threshold": threshold,
        "sensitivity": figure | {"images": 9, "groups": 8},
        "specificity": figure,
    }


WRITTEN: dict[str, Any] = {
    "operating_points": [
        point("rule_out", 0.1, 0.85),
        point("balanced", 0.4, 0.72),
        point("rule_in", 0.8, 0.3),
    ],
    "reference_prevalence": 0.3,
    "input_side": 96,
    "interval": {"method": "Covers nothing."},
    "outside": {"caution": 0.3, "refusal": 0.7},
    "prepare_version": "7",
    "unseen_sources": {},
    "networks": {"classifier": {"file": "weights/classifier.onnx", "sha256": "0" * 64}},
}


def facts_of(folder: Path, trained: dict[str, Any]) -> ModelFacts:
    """The facts of a copy of the folder with another ``trained.json``."""
    folder.mkdir()
    for name in ("__init__.py", "facts.py", "aside.py"):
        shutil.copy(BUILT_IN / name, folder / name)
    (folder / "trained.json").write_text(json.dumps(trained))
    return model_facts(folder.name, (folder.parent,))


def test_what_training_writes_becomes_the_facts(tmp_path: Path) -> None:
    facts = facts_of(tmp_path / "copy", WRITTEN | {"aside_ages": [1, 6]})
    assert [one.name for one in facts.operating_points] == ["rule_out", "balanced", "rule_in"]
    assert facts.operating_point.threshold == 0.4
    assert facts.point_named("rule_in").sensitivity == Measured(0.3, pytest.approx(0.2), 0.4)
    assert facts.reference_prevalence == 0.3
    assert facts.input_shape == (96, 96, 1)
    assert facts.interval_method == "Covers nothing."
    assert (facts.outside_caution, facts.outside_refusal) == (0.3, 0.7)
    assert facts.prepare_version == "7"
    assert facts.aside_ages == (1.0, 6.0)
    assert any("missed 28 in 100 Covid-19 images" in limit for limit in facts.limits)


def test_what_training_does_not_write_is_not_claimed(tmp_path: Path) -> None:
    left_out = ("interval", "outside")
    facts = facts_of(
        tmp_path / "copy", {key: value for key, value in WRITTEN.items() if key not in left_out}
    )
    assert facts.interval_method is None
    assert facts.outside_caution is facts.outside_refusal is facts.aside_ages is None


def test_weights_with_one_threshold_have_the_balanced_point(tmp_path: Path) -> None:
    figure = {"value": 0.8, "low": 0.7, "high": 0.9}
    before = {
        "operating_point": {"threshold": 0.45, "prevalence": 0.4},
        "sensitivity": figure,
        "specificity": figure,
        "prepare_version": "1",
        "unseen_sources": {},
        "networks": WRITTEN["networks"],
    }
    facts = facts_of(tmp_path / "copy", before)
    (only,) = facts.operating_points
    assert (only.name, only.threshold) == ("balanced", 0.45)
    assert only.specificity == Measured(0.8, 0.7, 0.9)
    assert facts.reference_prevalence == 0.4


def test_thresholds_in_disorder_are_refused(tmp_path: Path) -> None:
    spoiled = WRITTEN | {"operating_points": WRITTEN["operating_points"][::-1]}
    with pytest.raises(ModelRefused, match="each once at most and in this order"):
        facts_of(tmp_path / "copy", spoiled)


@pytest.mark.parametrize(
    ("rates", "said"),
    [((0.75, None, 0.9), "on 10 to 25 in 100"), ((0.9, None), "on 10 in 100"), ((None,), None)],
)
def test_false_alarms_on_unseen_sources_are_told_as_far_as_measured(
    tmp_path: Path, rates: tuple[float | None, ...], said: str | None
) -> None:
    sources = {f"source {k}": {"specificity": {"value": rate}} for k, rate in enumerate(rates)}
    limits = facts_of(tmp_path / "copy", WRITTEN | {"unseen_sources": sources}).limits
    told = [limit for limit in limits if "false alarms" in limit]
    assert [said in limit for limit in told] == ([] if said is None else [True])
