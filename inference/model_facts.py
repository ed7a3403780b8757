"""The facts that travel with the weights. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


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
    """A threshold on the target probability and what was measured there."""

    name: str
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
    operating_point
        The balanced one: `positive` means at or above it.
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
        Share of the target class for which the probabilities are calibrated.
    limits
        Sentences shown to clinicians with every result.
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
    operating_point: OperatingPoint
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

    def class_named(self, key: str) -> ModelClass:
        """Return the class with this key; KeyError if there is none."""
        for one in self.classes:
            if one.key == key:
                return one
        raise KeyError(key)
