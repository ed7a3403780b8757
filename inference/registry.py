"""The model folders: which there are, and how one is opened and checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inference.model_facts import ModelFacts
from inference.prediction import ModelIdentity, Prediction

if TYPE_CHECKING:
    from inference.images import DicomFacts, Image


class Model:
    """An opened model: gate -> prepare -> runtime -> probabilities -> map."""

    facts: ModelFacts
    identity: ModelIdentity

    def read(self, images: Sequence[Image]) -> Prediction:
        """Read the most suitable of these images of one study."""
        raise NotImplementedError


def model_names(search: Sequence[Path] = ()) -> tuple[str, ...]:
    """Names of the model folders, those under the extra `search` folders included."""
    raise NotImplementedError


def model_facts(name: str, search: Sequence[Path] = ()) -> ModelFacts:
    """The facts of one model, without opening its networks."""
    raise NotImplementedError


def load_model(
    name: str, *, runtime: str = "onnx", threads: int | None = None, search: Sequence[Path] = ()
) -> Model:
    """Open a model and check weights, `prepare` version and golden probabilities.

    Raises
    ------
    UnknownModel, ModelRefused, RuntimeUnavailable
    """
    raise NotImplementedError


def assemble(
    name: str, *, runtime: str = "onnx", threads: int | None = None, search: Sequence[Path] = ()
) -> Model:
    """Like `load_model` without the golden check: only for training's export, which records it."""
    raise NotImplementedError


def choose_model(facts: Sequence[DicomFacts | None], search: Sequence[Path] = ()) -> str | None:
    """Name of the first model that reads one of these images, judged by modality and body part."""
    raise NotImplementedError
