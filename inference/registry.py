"""The model folders: which there are, and how one is opened and checked."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from inference.errors import ModelRefused, UnknownModel
from inference.fact_checks import broken_rule
from inference.model_facts import ModelFacts, NetworkFile
from inference.prediction import ModelIdentity

if TYPE_CHECKING:
    from inference.images import DicomFacts
    from inference.model import Model
    from inference.model_folder import AnswerAside, Check, Interpret

_BUILT_IN = Path(__file__).parent / "models"


def model_names(search: Sequence[Path] = ()) -> tuple[str, ...]:
    """Names of the model folders (those with a `facts.py`), sorted.

    Parameters
    ----------
    search
        Further folders that hold model folders, beside `inference/models`.
    """
    found = {
        facts.parent.name for root in (_BUILT_IN, *search) for facts in root.glob("*/facts.py")
    }
    return tuple(sorted(found))


def model_folder(name: str, search: Sequence[Path] = ()) -> Path:
    """Where a model's files are.

    Raises
    ------
    UnknownModel
    """
    for root in (_BUILT_IN, *search):
        # Names are compared, never joined: "../x" is not the name of a folder.
        for facts in root.glob("*/facts.py"):
            if facts.parent.name == name:
                return facts.parent
    known = ", ".join(model_names(search)) or "none"
    raise UnknownModel(f"The model must be one of: {known}; got {name!r}.")


def model_facts(name: str, search: Sequence[Path] = ()) -> ModelFacts:
    """The facts of one model, without opening its networks.

    Raises
    ------
    UnknownModel
    ModelRefused
        `facts.py` breaks the contract.
    """
    facts = getattr(_module(model_folder(name, search), "facts"), "FACTS", None)
    if not isinstance(facts, ModelFacts):
        raise ModelRefused(f"Model {name}: facts.py must hold FACTS, a ModelFacts.")
    if facts.name != name:
        raise ModelRefused(f"Model {name}: FACTS.name must be the folder's name.")
    if sentence := broken_rule(facts):
        raise ModelRefused(f"Model {name}: {sentence}")
    return facts


def load_model(
    name: str, *, runtime: str = "onnx", threads: int | None = None, search: Sequence[Path] = ()
) -> Model:
    """Open a model and check weights, `prepare` version and golden probabilities.

    Parameters
    ----------
    runtime
        See `inference.runtimes`.
    threads
        Threads within one run; None lets the runtime choose.

    Raises
    ------
    UnknownModel, ModelRefused, RuntimeUnavailable
    """
    from inference import golden

    model = assemble(name, runtime=runtime, threads=threads, search=search)
    golden.verify(model, model_folder(name, search) / model.facts.golden)
    return model


def assemble(
    name: str, *, runtime: str = "onnx", threads: int | None = None, search: Sequence[Path] = ()
) -> Model:
    """Like `load_model` without the golden check: only for training's export, which records it.

    Raises
    ------
    UnknownModel, ModelRefused, RuntimeUnavailable
    """
    from inference.model import Model
    from inference.runtimes import open_network

    folder, facts = model_folder(name, search), model_facts(name, search)
    prepare = _module(folder, "prepare")
    if getattr(prepare, "PREPARE_VERSION", None) != facts.prepare_version:
        raise ModelRefused(
            f"Model {name}: PREPARE_VERSION must be the one in its facts "
            f"({facts.prepare_version}), for which its threshold was chosen."
        )
    networks = {
        role: open_network(_checked_weights(folder, name, network), runtime, threads)
        for role, network in facts.networks.items()
    }
    identity = _identity(facts, networks["classifier"].runtime)
    own = _check_of(folder), _interpret_of(folder), _aside_of(folder, facts)
    return Model(facts, identity, networks, prepare.prepare, *own)


def choose_model(facts: Sequence[DicomFacts | None], search: Sequence[Path] = ()) -> str | None:
    """Name of the first model that is made for one of these images, or None.

    Judged by modality; among models of one modality, one whose body part fits comes first. None in
    `facts` stands for a picture without a header.
    """
    from inference.gate import check_facts

    known = [model_facts(name, search) for name in model_names(search)]
    candidates = [model for model in known if any(_made_for(model, one) for one in facts)]
    for model in candidates:
        if any(not check_facts(model, one).reasons for one in facts):
            return model.name
    return candidates[0].name if candidates else None


def _made_for(model: ModelFacts, facts: DicomFacts | None) -> bool:
    if facts is None:
        return model.pictures == "default"
    return facts.modality in model.modalities


def _check_of(folder: Path) -> Check | None:
    """The folder's own gate, if it has one."""
    return _module(folder, "gate").check if (folder / "gate.py").exists() else None


def _interpret_of(folder: Path) -> Interpret | None:
    """The folder's own interpretation, if it has one."""
    if not (folder / "interpret.py").exists():
        return None
    interpret: Interpret = _module(folder, "interpret").interpret
    return interpret


def _aside_of(folder: Path, facts: ModelFacts) -> AnswerAside | None:
    """The folder's own aside, if it has one."""
    if (folder / "aside.py").exists():
        answer: AnswerAside = _module(folder, "aside").aside
        return answer
    if facts.aside_ages is not None:
        raise ModelRefused(
            f"Model {folder.name} must have an aside.py, as its facts have aside_ages."
        )
    return None


def _checked_weights(folder: Path, name: str, network: NetworkFile) -> bytes:
    """Read a weights file once; what was checksummed is what is opened."""
    try:
        content = (folder / network.file).read_bytes()
    except OSError as error:
        raise ModelRefused(f"Model {name}: {network.file} must be readable; it is not.") from error
    found = hashlib.sha256(content).hexdigest()
    if found != network.sha256:
        raise ModelRefused(
            f"Model {name}: {network.file} must have the SHA-256 {network.sha256}; it has {found}."
        )
    return content


def _identity(facts: ModelFacts, runtime: str) -> ModelIdentity:
    return ModelIdentity(
        name=facts.name,
        title=facts.title,
        version=facts.version,
        weights_sha256=weights_sha256(facts.networks),
        prepare_version=facts.prepare_version,
        runtime=runtime,
    )


def weights_sha256(networks: Mapping[str, NetworkFile]) -> str:
    """One hash for all networks: of the only file, or of the sorted lines ``role:sha256``."""
    if len(networks) == 1:
        return next(iter(networks.values())).sha256
    lines = sorted(f"{role}:{network.sha256}" for role, network in networks.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _module(folder: Path, name: str) -> ModuleType:
    """Import a module of a model folder.

    Raises
    ------
    ModelRefused
        It is missing or cannot be imported.
    """
    try:
        if folder.parent == _BUILT_IN:
            return import_module(f"inference.models.{folder.name}.{name}")
        return import_module(f"{_outside_package(folder)}.{name}")
    except ModelRefused:
        raise
    except Exception as error:  # whatever a folder's own code does wrong refuses that folder
        raise ModelRefused(
            f"Model {folder.name}: {name}.py must be importable; it is not."
        ) from error


def _outside_package(folder: Path) -> str:
    """Make a folder outside the distribution importable as a package, and return its name."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    package = f"wetread_model_{folder.name}_{digest}"
    if package not in sys.modules:
        spec = spec_from_file_location(
            package, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None:
            raise ModelRefused(f"Model {folder.name} must be a package with an __init__.py.")
        module = module_from_spec(spec)
        sys.modules[package] = module
        try:
            spec.loader.exec_module(module)
        except OSError as error:
            del sys.modules[package]
            raise ModelRefused(f"Model {folder.name} must have an __init__.py.") from error
    return package
