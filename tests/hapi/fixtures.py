"""The one HAPI server of a test run: it takes some 10 s to start, so nobody starts a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hapi.server import Hapi, build, missing, running_hapi
from tests.required import skip_or_fail


@pytest.fixture(scope="session")
def hapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hapi]:
    """Give a validating server; its records are shared, so tests bring patients of their own."""
    lack = missing()
    if lack is not None:
        skip_or_fail(lack)
    build()
    with running_hapi(tmp_path_factory.mktemp("hapi")) as running:
        yield running
