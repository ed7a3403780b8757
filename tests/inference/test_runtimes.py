"""What runs the networks: named, refused by name, and prepared where CUDA is listed."""

from __future__ import annotations

from collections.abc import Iterator

import onnxruntime
import pytest

from inference.errors import RuntimeUnavailable, UnknownModel
from inference.registry import load_model
from inference.runtimes import onnx, open_network


@pytest.fixture
def asked_anew() -> Iterator[None]:
    onnx.providers.cache_clear()
    yield
    onnx.providers.cache_clear()


def list_providers(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(names))


def test_unknown_runtime_is_refused_with_what_arrived() -> None:
    with pytest.raises(RuntimeUnavailable, match=r"one of onnx; got 'nope'"):
        open_network(b"", "nope")


def test_unknown_model_is_refused_with_what_arrived() -> None:
    with pytest.raises(UnknownModel, match=r"one of: chest_xray.*; got 'nope'"):
        load_model("nope")


@pytest.mark.usefixtures("asked_anew")
def test_cuda_comes_first_once_its_libraries_are_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    list_providers(monkeypatch, "CPUExecutionProvider", "CUDAExecutionProvider")
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("loaded"), raising=False)
    for _ in range(2):
        assert onnx.providers() == ("CUDAExecutionProvider", "CPUExecutionProvider")
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "loaded\n")


@pytest.mark.usefixtures("asked_anew")
def test_onnx_runtime_that_cannot_load_libraries_ahead_is_used_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    list_providers(monkeypatch, "CUDAExecutionProvider", "CPUExecutionProvider")
    monkeypatch.delattr(onnxruntime, "preload_dlls", raising=False)
    assert onnx.providers()[0] == "CUDAExecutionProvider"


@pytest.mark.usefixtures("asked_anew")
def test_nothing_is_loaded_where_cuda_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    list_providers(monkeypatch, "AzureExecutionProvider", "CPUExecutionProvider")
    monkeypatch.setattr(onnxruntime, "preload_dlls", None, raising=False)
    assert onnx.providers() == ("CPUExecutionProvider",)
