"""Time in tests: none on a busy machine, and as much as a test wants on the hospital's clock."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

# On a busy machine an example may take long; that is no finding.
unhurried = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def let_time_pass(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Put the clock of codes and tokens forward."""
    ahead = SimpleNamespace(time=lambda: time.time() + seconds)
    monkeypatch.setattr("sandbox.authorization.grants.time", ahead)
