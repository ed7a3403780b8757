"""One file per runtime, behind one interface: `open_network`."""

from __future__ import annotations

from importlib import import_module

from inference.errors import RuntimeUnavailable
from inference.model_folder import Network

RUNTIMES = {"onnx": "inference.runtimes.onnx"}


def open_network(weights: bytes, runtime: str = "onnx", threads: int | None = None) -> Network:
    """Open a weights file's content in a runtime.

    Parameters
    ----------
    weights
        Content of the file, not its path: what was checksummed is what runs.
    runtime
        Key of `RUNTIMES`.
    threads
        Threads within one run; None lets the runtime choose.

    Raises
    ------
    RuntimeUnavailable
        Unknown, or not installed.
    ModelRefused
        The runtime cannot open these weights.
    """
    if runtime not in RUNTIMES:
        raise RuntimeUnavailable(
            f"The runtime must be one of {', '.join(RUNTIMES)}; got {runtime!r}."
        )
    try:
        module = import_module(RUNTIMES[runtime])
    except ImportError as error:
        raise RuntimeUnavailable(f"The runtime {runtime} must be installed; it is not.") from error
    network: Network = module.open_weights(weights, threads)
    return network
