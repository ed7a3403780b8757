"""A whole demo, hospital and Wetread in their own processes, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.demo.files import HOSPITAL_HOST, PLUGIN_HOST, DemoChoices, free_port
from plugin.demo.processes import RunningDemo, running_demo


def choices(**options: object) -> DemoChoices:
    """Choices on free ports."""
    return DemoChoices(
        hospital_port=free_port(HOSPITAL_HOST),
        plugin_port=free_port(PLUGIN_HOST),
        **options,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """The demo as `make demo` starts it."""
    with running_demo(choices(), tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def fresh_folder(tmp_path: Path) -> Path:
    """A folder for a demo of the test's own."""
    return tmp_path / "demo"
