"""Golden probabilities: the proof at every start that weights, `prepare` and runtime fit together.

``golden.json``::

    {"cases": [{"phantom": 1, "probabilities": {"covid": 0.31, ...}},
               {"pattern": 7, "probabilities": {...}}]}

A *phantom* case sends the synthetic chest `phantom(seed)` through the folder's whole way:
`prepare`, every network it uses, and the interpretation (not the gate). A *pattern* case shows the
classifier `pattern(shape, seed)` directly; use it where `prepare` rightly refuses a phantom. Both
inputs are computed, so no patient's picture is needed. Choose seeds whose probabilities are not
near 0 or 1: saturated ones hide a wrong `prepare`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import ModelRefused
from inference.images import Image
from inference.model_folder import Prepared, Refusal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inference.model import Model

TOLERANCE = 0.005
_SIDE = 512


def phantom(seed: int) -> Image:
    """Draw a synthetic frontal chest, 512 x 512, different for each seed.

    A light body, two dark lungs with rib stripes, a heart, and `seed` deciding size and haze.
    """
    # Open axes: the same numbers as a full grid, and the check at every start is quicker.
    down, across = (axis / _SIDE for axis in np.ogrid[0:_SIDE, 0:_SIDE])
    lean, haze = (seed * 7 % 5 - 2) * 0.01, (seed * 3 % 7) * 0.06
    body = _ellipse(down, across, 0.60, 0.5, 0.62, 0.47) * 0.62
    ribs = 0.05 * np.cos(down * 60 + 3 * np.abs(across - 0.5))
    lungs = np.maximum(
        _ellipse(down, across, 0.47, 0.31 + lean, 0.30, 0.13),
        _ellipse(down, across, 0.47, 0.69 + lean, 0.30, 0.13),
    )
    heart = _ellipse(down, across, 0.62, 0.55 + lean, 0.14, 0.13) * 0.25
    patch = _ellipse(down, across, 0.60, 0.30 + lean, 0.12, 0.09) * haze
    drawn = np.clip(body + lungs * (ribs - 0.42) + heart + patch + 0.04, 0.0, 1.0)
    stored = np.round(drawn * 4095).astype(np.uint16)
    return Image(
        pixels=(stored / np.float32(4095)).astype(np.float32),
        stored=stored,
        window=(2047.5, 4095.0),
        inverted=False,
        colour=False,
        frames=1,
        source="picture",
        spacing_mm=None,
        facts=None,
    )


def _ellipse(
    down: NDArray[np.float64],
    across: NDArray[np.float64],
    centre_down: float,
    centre_across: float,
    half_height: float,
    half_width: float,
) -> NDArray[np.float64]:
    """Return 1 inside, 0 outside, with a soft edge: a hard one would hang on rounding."""
    radius = np.hypot((down - centre_down) / half_height, (across - centre_across) / half_width)
    return np.clip((1.0 - radius) * 8.0, 0.0, 1.0)


def pattern(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Smooth deterministic values in 0..1, float32, of the given shape (without the batch axis)."""
    axes = np.meshgrid(*(np.linspace(0.0, 1.0, n) for n in shape), indexing="ij")
    phase = sum(
        (np.cos((seed + k + 1) * np.pi * axis) for k, axis in enumerate(axes)), np.zeros(())
    )
    return np.broadcast_to(0.5 + 0.5 * np.sin(phase * 2.0 + seed), shape).astype(np.float32)


def record(model: Model, phantoms: Iterable[int], patterns: Iterable[int]) -> dict[str, Any]:
    """Compute the content of golden.json, for a model from `registry.assemble`."""
    cases: list[dict[str, Any]] = [{"phantom": seed} for seed in phantoms]
    cases += [{"pattern": seed} for seed in patterns]
    for case in cases:
        case["probabilities"] = {key: round(p, 6) for key, p in _answer(model, case).items()}
    return {"cases": cases}


def verify(model: Model, path: Path) -> None:
    """Reproduce every golden probability.

    Raises
    ------
    ModelRefused
        No cases, or a probability further than `TOLERANCE` from the recorded one.
    """
    try:
        cases = json.loads(path.read_text("utf-8"))["cases"]
        expected = [dict(case["probabilities"]) for case in cases]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelRefused(f"{path.name} must hold golden cases; it cannot be read.") from error
    if not cases:
        raise ModelRefused(f"{path.name} must hold at least one golden case; it holds none.")
    for number, (case, wanted) in enumerate(zip(cases, expected, strict=True), 1):
        _compare(number, wanted, _answer(model, case), model.identity.runtime)


def _answer(model: Model, case: Mapping[str, Any]) -> Mapping[str, float]:
    if "phantom" in case:
        prepared = model.prepare(phantom(int(case["phantom"])))
        if isinstance(prepared, Refusal):
            codes = ", ".join(reason.code for reason in prepared.reasons)
            raise ModelRefused(
                f"prepare must accept its golden phantoms; it refused one ({codes})."
            )
    elif "pattern" in case:
        shown = pattern(model.facts.input_shape, int(case["pattern"]))
        prepared = Prepared(shown[np.newaxis])
    else:
        raise ModelRefused("A golden case must name a phantom or a pattern; got neither.")
    return model.classify(prepared).classes


def _compare(
    number: int, wanted: Mapping[str, Any], got: Mapping[str, float], runtime: str
) -> None:
    if set(wanted) != set(got):
        raise ModelRefused(
            f"Golden case {number} must name the classes {sorted(got)}; got {sorted(wanted)}."
        )
    for key, value in wanted.items():
        # Written so that a NaN fails too.
        if not abs(got[key] - float(value)) <= TOLERANCE:
            raise ModelRefused(
                f"Golden case {number} must give {key} = {value} within {TOLERANCE} "
                f"with {runtime}; got {got[key]:.6f}."
            )
