"""Section ``[heads]`` of ``training.toml``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeadsSettings:
    """Comparison of heads; ``automl_seconds`` is FLAML's time for all its searches together."""

    automl_seconds: float
