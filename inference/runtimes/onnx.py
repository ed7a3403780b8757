"""ONNX Runtime: on the CPU, or on an NVIDIA GPU where `onnxruntime-gpu` finds one."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from inference.errors import ModelRefused

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PREFERRED = ("CUDAExecutionProvider", "CPUExecutionProvider")
_ERRORS_ONLY = 3


class OnnxNetwork:
    """One ONNX graph with a single input.

    Parameters
    ----------
    session
        An opened `onnxruntime.InferenceSession`; runs are thread-safe.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        device = "CUDA" if session.get_providers()[0].startswith("CUDA") else "CPU"
        self._runtime = f"onnx {onnxruntime.__version__} {device}"

    @property
    def runtime(self) -> str:
        """Runtime, version and device, such as "onnx 1.22.0 CPU"."""
        return self._runtime

    def run(self, array: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Run a batch.

        Parameters
        ----------
        array
            float32, shape (n, ...), as the graph's input says.

        Raises
        ------
        ModelRefused
            The graph does not take this array.
        """
        shown = np.ascontiguousarray(array, dtype=np.float32)
        try:
            outputs = self._session.run(None, {self._input: shown})
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise ModelRefused(
                f"The network must take what prepare made; it refused shape {array.shape}."
            ) from error
        return tuple(np.asarray(output, dtype=np.float32) for output in outputs)


def open_weights(weights: bytes, threads: int | None) -> OnnxNetwork:
    """Open an ONNX file's content.

    Raises
    ------
    ModelRefused
        It is no ONNX graph that this version runs.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(weights, options, providers=list(providers()))
    except Exception as error:  # ONNX Runtime's errors share no public base class
        raise ModelRefused(
            f"The weights must be an ONNX graph for ONNX Runtime {onnxruntime.__version__}; they "
            f"cannot be opened ({type(error).__name__})."
        ) from error
    return OnnxNetwork(session)


@cache
def providers() -> tuple[str, ...]:
    """Give ONNX Runtime's providers in the order to try them; prepares CUDA where it is listed.

    Listed says that the package can, not that this machine does: without a GPU the session falls
    back to the CPU, and `OnnxNetwork.runtime` says so.
    """
    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in available:
        _load_cuda()
    return tuple(name for name in _PREFERRED if name in available)


def _load_cuda() -> None:
    """Load CUDA and cuDNN from their PyPI wheels, where the dynamic linker does not look."""
    load = getattr(onnxruntime, "preload_dlls", None)
    if load is None:  # before ONNX Runtime 1.21
        return
    # It prints what it misses; standard output belongs to `wetread predict --json`.
    with redirect_stdout(sys.stderr):
        load()
