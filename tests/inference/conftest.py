"""What the tests of inference share."""

from __future__ import annotations

from pathlib import Path

import pytest

TOY_MODELS = (Path(__file__).parent / "toy_models",)


@pytest.fixture(scope="session")
def shared_dicom() -> Path:
    """The folder of awkward real DICOM files beside the checkout."""
    folder = Path(__file__).parents[3] / "shared" / "data" / "dicom"
    if not (folder / "index.csv").exists():
        pytest.skip("the shared DICOM files are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def radiographs() -> Path:
    """The folder of the package pydicom-data, which holds a real chest radiograph."""
    data_store = pytest.importorskip("data_store", reason="the demo extra is not installed")
    return Path(data_store.__file__).parent / "data"
