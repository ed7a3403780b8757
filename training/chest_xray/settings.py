"""``training.toml`` of a model folder as frozen dataclasses."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.chest_xray.children_settings import ChildrenSettings
from training.chest_xray.gate_settings import (
    NoveltySettings,
    OcclusionSettings,
    OrientationSettings,
)
from training.chest_xray.heads_settings import HeadsSettings
from training.errors import SettingsError


@dataclass(frozen=True)
class Folds:
    """``held_out`` is opened once, for the report; ``choices`` stops and judges trials."""

    held_out: int
    choices: int


@dataclass(frozen=True)
class LungFinderSettings:
    """Training of the lung finder; ``negatives`` is the share of pictures without lungs."""

    epochs: int
    batch: int
    learning_rate: float
    negatives: float


@dataclass(frozen=True)
class ClassifierSettings:
    """Fine-tuning of the classifier.

    ``head_epochs``: so many epochs the head learns alone on frozen features, before all learns; a
    head from chance would first distort what the features know (Kumar 2022). ``head_refit``:
    inverse penalty of the regression that replaces the head in the end (Kirichenko 2022); 0: none.
    """

    epochs: int
    batch: int
    steps_per_epoch: int
    learning_rate: float
    warm_up_steps: int
    weight_decay: float
    dropout: float
    label_smoothing: float
    frozen_stages: int
    head_epochs: int
    head_refit: float
    backbone: str


@dataclass(frozen=True)
class Mitigation:
    """What is done against shortcuts; 0 or false turns a part off.

    Attributes
    ----------
    frame_swap, amplitude_mix, degraded : float
        Share of the drawn pictures that get the frame of another source, its coarse contrast, or
        another history of compression and sharpening.
    opacity_loss : float
        Weight of telling opacity from none, where one source holds both.
    averaging : float
        Decay of the running average of the weights, taken every five steps over the second half.
    adversary : float
        Weight of telling the source, reversed at the features (Ganin 2015).
    children : str
        "apart": children say nothing about the target; "clear": clear lungs are without it, opaque
        ones may be of either kind; "speak": all count as without it; "none": they do not train.
    """

    frame_swap: float
    amplitude_mix: float
    degraded: float
    opacity_loss: float
    averaging: float
    adversary: float
    children: str


@dataclass(frozen=True)
class CalibrationSettings:
    """``prevalence``: the share of the target class that the probabilities are given for.

    ``rule_out`` and ``rule_in``: the sensitivity and the specificity that these points aim at.
    """

    prevalence: float
    rule_out: float
    rule_in: float


@dataclass(frozen=True)
class Report:
    """``bootstrap``: resamples of whole groups behind every interval."""

    bootstrap: int


@dataclass(frozen=True)
class Settings:
    """Everything that a training run depends on besides data and code."""

    seed: int
    classes: tuple[str, ...]
    target: str
    threads: int
    folds: Folds
    lung_finder: LungFinderSettings
    classifier: ClassifierSettings
    mitigation: Mitigation
    calibration: CalibrationSettings
    orientation: OrientationSettings
    novelty: NoveltySettings
    occlusion: OcclusionSettings
    children: ChildrenSettings
    heads: HeadsSettings
    draws: dict[str, float]
    report: Report

    @property
    def target_index(self) -> int:
        """Index of the class that the model looks for."""
        return self.classes.index(self.target)


_SECTIONS = {
    "folds": Folds,
    "lung_finder": LungFinderSettings,
    "classifier": ClassifierSettings,
    "mitigation": Mitigation,
    "calibration": CalibrationSettings,
    "orientation": OrientationSettings,
    "novelty": NoveltySettings,
    "occlusion": OcclusionSettings,
    "children": ChildrenSettings,
    "heads": HeadsSettings,
    "report": Report,
}


def load_settings(path: Path) -> Settings:
    """Read the settings of a run.

    Raises
    ------
    SettingsError
        If a setting is missing, unknown or impossible; the message names it.
    """
    with path.open("rb") as file:
        values: dict[str, Any] = tomllib.load(file)
    for name, kind in _SECTIONS.items():
        values[name] = _build(kind, values.get(name, {}), f"[{name}] ")
    values["classes"] = tuple(values.get("classes", ()))
    settings: Settings = _build(Settings, values, "")
    if settings.target not in settings.classes:
        raise SettingsError(f"target must be one of {settings.classes}; got {settings.target!r}")
    if settings.folds.held_out == settings.folds.choices:
        raise SettingsError("the held-out fold must differ from the fold for choices")
    return settings


def _build(kind: Any, values: dict[str, Any], where: str) -> Any:
    expected = {field.name for field in dataclasses.fields(kind)}
    if missing := sorted(expected - values.keys()):
        raise SettingsError(f"training.toml must set {where}{', '.join(missing)}")
    if unknown := sorted(values.keys() - expected):
        raise SettingsError(f"training.toml must not set {where}{', '.join(unknown)}")
    return kind(**values)
