"""Tests against real servers: skipped where these are not installed, but never in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

MUST_RUN = "WETREAD_TESTS_MUST_RUN"


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test; fail it where the environment says that every test must run.

    Parameters
    ----------
    reason : str
        What is missing and how to install it.
    """
    if os.environ.get(MUST_RUN) == "1":
        pytest.fail(f"{MUST_RUN}=1 allows no skip: {reason}", pytrace=False)
    pytest.skip(reason)
