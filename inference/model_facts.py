"""The facts that travel with the weights. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PointName = Literal["rule_out", "balanced", "rule_in"]

POINT_NAMES: tuple[PointName, ...] = ("rule_out", "balanced", "rule_in")
"""The operating points that a model may have, in the order of their thresholds."""


@dataclass(frozen=True)
class Coding:
    """A code with its system (URI) and display text."""

    system: str
    code: str
    display: str


@dataclass(frozen=True)
class ModelClass:
    """One output class.

    Attributes
    ----------
    key
        Stable name in JSON, such as "covid".
    label
        Words for the clinician.
    coding
        Standard code, or one of the project's own code system.
    """

    key: str
    label: str
    coding: Coding


@dataclass(frozen=True)
class NetworkFile:
    """A weights file inside the model folder and its SHA-256 (lower-case hex)."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Measured:
    """A measured rate (0..1) with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the target probability and what was measured there.

    Attributes
    ----------
    name
        "rule_out": few of those with the disease lie below; "rule_in": few of those without it lie
        at or above; "balanced": between them.
    threshold
        0..1, at the model's reference prevalence; at or above it counts as positive.
    """

    name: PointName
    threshold: float
    sensitivity: Measured | None = None
    specificity: Measured | None = None


@dataclass(frozen=True)
class ModelFacts:
    """One model folder's `facts.FACTS`.

    Attributes
    ----------
    name
        Equal to the folder's name.
    modalities
        DICOM Modality values that the model reads, such as ("CR", "DX").
    body_parts
        Words of BodyPartExamined that it reads, upper case, such as ("CHEST", "THORAX").
    views
        ViewPosition values that it reads, upper case, such as ("PA", "AP"); empty: any.
    pictures
        "default": PNG and JPEG files without facts are read when no model is named; "on_request":
        only when this model is named; "never".
    input_shape
        Shape of one classifier input without the batch axis.
    classes
        In the order of the classifier's output.
    target
        Key of the class whose probability is reported.
    operating_points
        One for each name at most, "balanced" among them, in the order of `POINT_NAMES`.
    networks
        Role -> weights file. "classifier" is required by the generic reading; others (such as
        "lungs") are for the folder's own `prepare`.
    heat_map_range
        Class activation (in logits) drawn as 0 and as 1. Fixed for the model, never per image.
    minimum_age_years, minimum_side_pixels
        Below them the answer is "cannot read".
    golden
        JSON file of golden probabilities in the folder.
    reference_prevalence
        Share of the target class (between 0 and 1) for which the probabilities are calibrated.
    limits
        Sentences shown to clinicians with every result.
    interval_method
        What the interval beside a probability is and what it does not cover, in one or two
        sentences; None if there is none.
    organ
        What `Prepared.organ` marks, in the plural that a sentence needs, such as "lungs".
    outside_caution, outside_refusal
        Share (0..1) of the heat map outside the organ from which on the answer carries a caution,
        or is no answer; None: never.
    aside_ages
        Years, [low, high): of an image that is refused for the patient's age alone, the folder's
        `aside` is asked if the age lies in this range; None: never.
    """

    name: str
    title: str
    version: str
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    views: tuple[str, ...]
    input_shape: tuple[int, ...]
    classes: tuple[ModelClass, ...]
    target: str
    operating_points: tuple[OperatingPoint, ...]
    networks: Mapping[str, NetworkFile]
    prepare_version: str
    heat_map_range: tuple[float, float]
    minimum_age_years: float
    minimum_side_pixels: int
    limits: tuple[str, ...]
    licence: str
    weights_licence: str
    paper: str
    reference_prevalence: float | None = None
    pictures: Literal["default", "on_request", "never"] = "on_request"
    golden: str = "golden.json"
    interval_method: str | None = None
    organ: str = "organ"
    outside_caution: float | None = None
    outside_refusal: float | None = None
    aside_ages: tuple[float, float] | None = None

    @property
    def operating_point(self) -> OperatingPoint:
        """The balanced one: `Prediction.positive` means at or above its threshold."""
        return self.point_named("balanced")

    def point_named(self, name: PointName) -> OperatingPoint:
        """Return the operating point with this name; KeyError if there is none."""
        for one in self.operating_points:
            if one.name == name:
                return one
        raise KeyError(name)

    def class_named(self, key: str) -> ModelClass:
        """Return the class with this key; KeyError if there is none."""
        for one in self.classes:
            if one.key == key:
                return one
        raise KeyError(key)
