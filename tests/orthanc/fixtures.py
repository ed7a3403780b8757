"""One Orthanc for the whole test session; tests bring studies of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.required import skip_or_fail

if TYPE_CHECKING:
    from tests.orthanc.server import Orthanc


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """A running Orthanc, started once; what one test stores the others see too."""
    # Here and not above: training's environment loads this file and has no requests.
    from tests.orthanc.server import missing, running_orthanc

    lack = missing()
    if lack is not None:
        skip_or_fail(lack)
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as running:
        yield running
