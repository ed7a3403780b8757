"""The models: each must give its golden probabilities here."""

from __future__ import annotations

from collections.abc import Iterator

from plugin.checks.machine import judged
from plugin.checks.result import Result
from plugin.settings import Settings
from plugin.start_checks import check_model_choice


def check_models(settings: Settings) -> Iterator[Result]:
    """Load the models that a worker loads: each must give its golden probabilities here."""
    choice = judged("model", "model", check_model_choice, settings, "")
    if choice.kind == "failure":
        yield choice
        return
    # Imported here: pixel libraries belong into no other part of this process.
    from inference.registry import model_names

    for name in (settings.model,) if settings.model else model_names():
        yield from check_model(name, settings)


def check_model(name: str, settings: Settings) -> Iterator[Result]:
    """Load one model, and say what it runs on."""
    from inference.errors import InferenceError
    from inference.registry import load_model

    subject = f"model {name}"
    runtime, threads = settings.model_runtime, settings.model_threads or None
    try:
        identity = load_model(name, runtime=runtime, threads=threads).identity
    except InferenceError as error:
        remedy = "Install this version of Wetread anew: weights or runtime are not as tested."
        yield Result("failure", subject, "model", str(error), remedy)
        return
    text = f"{identity.title} {identity.version} gives its golden probabilities"
    yield Result("ok", subject, "model", f"{text}; it runs on {identity.runtime}")
    if runtime == "onnx" and not identity.runtime.endswith("CUDA") and cuda_is_listed():
        yield Result(
            "warning", subject, "gpu_unused",
            "the GPU's runtime is installed, but the CPU computes",
            "Check the GPU's driver (`nvidia-smi`) and the CUDA packages of requirements/gpu.txt.",
        )  # fmt: skip


def cuda_is_listed() -> bool:
    """Tell whether the installed ONNX Runtime is the one for NVIDIA GPUs."""
    from inference.runtimes.onnx import providers

    return any(name.startswith("CUDA") for name in providers())
