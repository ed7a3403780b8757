"""Facts that cannot be are refused before anything is read with them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from inference import registry
from inference.errors import ModelRefused
from tests.inference.conftest import TOY_MODELS

NAME = "toy_second_look"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TOY_MODELS[0] / NAME, tmp_path / NAME))


_CHANGES: Sequence[tuple[str, str, str]] = (
    ('"rule_out", 0.2', '"rule_out", 0.6', "must not fall from rule_out to rule_in"),
    ('"rule_in", 0.9', '"rule_in", 1.5', "must lie from 0 to 1"),
    ('"rule_in", 0.9', '"rule_in", float("nan")', "must lie from 0 to 1"),
    ('"rule_in", 0.9', '"balanced", 0.9', "each once at most and in this order"),
    ('"rule_in", 0.9', '"screening", 0.9', "each once at most and in this order"),
    ('OperatingPoint("balanced", 0.5', 'OperatingPoint("rule_in", 0.5', "each once at most"),
    ("reference_prevalence=0.25", "reference_prevalence=0.0", "reference_prevalence must lie"),
    ("outside_caution=0.6", "outside_caution=0.95", "the caution not above the refusal"),
    ("outside_refusal=0.9", "outside_refusal=90", "must lie from 0 to 1"),
    ("aside_ages=(1, 12)", "aside_ages=(12, 1)", "the lower one first"),
)


@pytest.mark.parametrize(("old", "new", "message"), _CHANGES)
def test_facts_that_cannot_be_are_refused(copied: Path, old: str, new: str, message: str) -> None:
    text = (copied / "facts.py").read_text()
    assert old in text
    (copied / "facts.py").write_text(text.replace(old, new))
    with pytest.raises(ModelRefused, match=message):
        registry.model_facts(NAME, (copied.parent,))


def test_a_model_without_the_balanced_point_is_refused(copied: Path) -> None:
    lines = (copied / "facts.py").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"balanced"' not in line]
    assert len(kept) == len(lines) - 1
    (copied / "facts.py").write_text("".join(kept))
    with pytest.raises(ModelRefused, match='must hold the one named "balanced"'):
        registry.model_facts(NAME, (copied.parent,))
