"""Golden probabilities: the proof at every start that weights, `prepare` and runtime fit together.

``golden.json``::

    {"cases": [{"phantom": 1, "probabilities": {"covid": 0.31, ...}},
               {"pattern": 7, "probabilities": {...}}]}

A *phantom* case sends the synthetic chest `phantom(seed)` through the folder's whole way: `prepare`,
every network it uses, and the interpretation (not the gate). A *pattern* case shows the classifier
`pattern(shape, seed)` directly; use it where `prepare` rightly refuses a phantom. Both inputs are
computed, so no patient's picture is needed. Choose seeds whose probabilities are not near 0 or 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from inference.images import Image
    from inference.registry import Model

TOLERANCE = 0.005


def phantom(seed: int) -> Image:
    """Draw a synthetic frontal chest, 512 x 512, different for each seed."""
    raise NotImplementedError


def pattern(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Smooth deterministic values in 0..1 of the given shape (without the batch axis)."""
    raise NotImplementedError


def record(model: Model, phantoms: Iterable[int], patterns: Iterable[int]) -> dict[str, Any]:
    """Compute the content of golden.json, for a model from `registry.assemble`."""
    raise NotImplementedError
