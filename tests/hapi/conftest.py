"""The demo in front of HAPI, shared by the tests of one module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hapi.chart import Chart
from tests.hapi.clinic import Clinic, running_clinic, write_noise, write_radiograph
from tests.hapi.proxy import Proxy
from tests.hapi.server import Hapi

# A patient for each test that reads; the last picture is none that can be read.
RADIOGRAPHS = 4
# Of java/HapiServer.java.
LARGEST_PAGE = 50


@pytest.fixture(scope="session")
def chart(hapi: Hapi) -> Chart:
    """HAPI, asked directly."""
    return Chart(hapi.url)


@pytest.fixture(scope="module")
def proxy(hapi: Hapi) -> Iterator[Proxy]:
    """Stands between the hospital and HAPI."""
    with Proxy(hapi.url) as running:
        yield running


@pytest.fixture(scope="module", params=["transaction-put"])
def clinic(
    request: pytest.FixtureRequest,
    chart: Chart,
    proxy: Proxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Clinic]:
    """The running demo; `parametrize` it indirectly for another write mode."""
    folder = tmp_path_factory.mktemp("clinic")
    pictures = write_pictures(folder / "pictures")
    with running_clinic(folder / "demo", proxy.url, chart, pictures, request.param) as running:
        yield running


def write_pictures(folder: Path) -> Path:
    """Fill a folder with pictures that no other clinic has; what was read stays in HAPI."""
    for number in range(RADIOGRAPHS):
        write_radiograph(folder / f"chest-{number}.dcm")
    write_noise(folder / "noise.png")
    return folder
