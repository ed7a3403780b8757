"""Model folders: found, checked, opened; a new model is only a new folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from inference import golden, registry
from inference.errors import ModelRefused, RuntimeUnavailable, UnknownModel
from inference.images import DicomFacts, Image, read_image
from inference.model import Model, interpret_outputs
from inference.model_folder import Prepared
from tests.inference.conftest import TOY_MODELS
from tests.inference.dicom_files import chest, gradient, to_bytes

NAME = "toy_brightness"


@pytest.fixture(scope="module")
def toy() -> Model:
    return registry.load_model(NAME, search=TOY_MODELS, threads=1)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the toy's folder, to be spoiled."""
    return Path(shutil.copytree(TOY_MODELS[0] / NAME, tmp_path / NAME))


def image(**attributes: object) -> Image:
    return read_image(to_bytes(chest(gradient(64, 64), **attributes)))


def test_a_folder_is_all_that_a_model_needs(toy: Model) -> None:
    assert NAME in registry.model_names(TOY_MODELS)
    assert NAME not in registry.model_names()
    prediction = toy.read([image()])
    assert prediction.status == "ok"
    assert prediction.model.name == NAME
    assert prediction.probability == prediction.classes["bright"]
    assert sum(prediction.classes.values()) == pytest.approx(1)
    assert prediction.heat_map is not None
    assert prediction.heat_map.shape == (8, 8)
    assert set(prediction.timings_ms) == {"gate", "prepare", "network"}


def test_the_folder_decides_the_box_with_a_network_of_its_own(toy: Model) -> None:
    values = np.zeros((64, 64), np.uint16)
    values[16:32, 32:64] = gradient(16, 32, top=4095) // 2 + 2048
    assert toy.read([read_image(to_bytes(chest(values)))]).heat_map_box == (0.25, 0.5, 0.5, 1.0)


def test_prepare_can_refuse(toy: Model) -> None:
    dark = image(WindowCenter=4090, WindowWidth=11)
    prediction = toy.read([replace(dark, pixels=dark.pixels * 0.01)])
    assert prediction.status == "cannot_read"
    assert prediction.probability is None
    assert [reason.code for reason in prediction.reasons] == ["nothing_found"]


def test_the_folders_own_gate_is_asked(toy: Model) -> None:
    wide = read_image(to_bytes(chest(gradient(40, 200))))
    assert [reason.code for reason in toy.read([wide]).reasons] == ["too_wide"]


def test_the_model_is_positive_from_its_operating_point_on(toy: Model) -> None:
    bright = toy.read([image(WindowCenter=500, WindowWidth=1000)])
    dark = toy.read([image(WindowCenter=3800, WindowWidth=1000)])
    assert bright.probability is not None
    assert dark.probability is not None
    assert (bright.positive, dark.positive) == (True, False)
    assert bright.probability > 0.5 > dark.probability


def test_of_several_images_the_best_view_is_read(toy: Model) -> None:
    views = [image(ViewPosition=view) for view in ("LL", "AP", "PA")]
    assert toy.read(views).image_index == 2
    assert toy.read(views[:2]).image_index == 1


@dataclass
class InAFile:
    """An image that counts how often it is opened."""

    image: Image
    times: int = 0

    @property
    def facts(self) -> DicomFacts | None:
        return self.image.facts

    def opened(self) -> AbstractContextManager[Image]:
        self.times += 1
        return nullcontext(self.image)


def test_only_what_the_header_lets_pass_is_opened_and_no_more_than_needed(toy: Model) -> None:
    files = [InAFile(image(ViewPosition=view)) for view in ("LL", "AP", "PA", "PA")]
    assert toy.read(files).image_index == 2
    assert [one.times for one in files] == [0, 0, 1, 0]


def test_the_next_image_is_opened_if_the_best_one_cannot_be_read(toy: Model) -> None:
    blank = replace(image(), pixels=np.zeros((64, 64), np.float32))
    files = [InAFile(image(ViewPosition="AP")), InAFile(blank)]
    prediction = toy.read(files)
    assert (prediction.status, prediction.image_index) == ("ok", 0)
    assert [one.times for one in files] == [1, 1]


def test_if_every_image_is_refused_each_reason_is_given_once(toy: Model) -> None:
    refused = toy.read([image(ViewPosition="LL"), image(ViewPosition="RL"), image(Modality="CT")])
    assert refused.status == "cannot_read"
    assert [reason.code for reason in refused.reasons] == ["lateral_view", "wrong_modality"]


def test_no_image_is_a_reason_too(toy: Model) -> None:
    assert [reason.code for reason in toy.read([]).reasons] == ["no_image"]


def test_an_unknown_model_is_refused_with_the_known_names() -> None:
    with pytest.raises(UnknownModel, match=NAME):
        registry.load_model("../models", search=TOY_MODELS)


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(RuntimeUnavailable, match="onnx"):
        registry.load_model(NAME, search=TOY_MODELS, runtime="abacus")


def test_changed_weights_are_refused(copied: Path) -> None:
    weights = copied / "weights" / "finder.onnx"
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelRefused, match=r"finder\.onnx must have the SHA-256"):
        registry.load_model(NAME, search=(copied.parent,))


def test_missing_weights_are_refused(copied: Path) -> None:
    (copied / "weights" / "finder.onnx").unlink()
    with pytest.raises(ModelRefused, match="must be readable"):
        registry.load_model(NAME, search=(copied.parent,))


def test_a_file_that_is_no_network_is_refused(copied: Path) -> None:
    weights = copied / "weights" / "finder.onnx"
    old = registry.model_facts(NAME, (copied.parent,)).networks["finder"].sha256
    weights.write_bytes(b"no network")
    new = hashlib.sha256(b"no network").hexdigest()
    other = copied.parent / "again" / NAME
    shutil.copytree(copied, other)
    facts = other / "facts.py"
    facts.write_text(facts.read_text().replace(old, new))
    with pytest.raises(ModelRefused, match="must be an ONNX graph"):
        registry.load_model(NAME, search=(other.parent,))


def edit(folder: Path, file: str, old: str, new: str) -> None:
    content = (folder / file).read_text()
    assert old in content
    (folder / file).write_text(content.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("prepare.py", 'PREPARE_VERSION = "1"', 'PREPARE_VERSION = "2"', "PREPARE_VERSION"),
        ("facts.py", 'name="toy_brightness"', 'name="other"', "folder's name"),
        ("facts.py", 'target="bright"', 'target="grey"', "FACTS.target"),
        ("facts.py", '"classifier":', '"klassifier":', 'role "classifier"'),
        ("facts.py", "FACTS =", "FACT =", "a ModelFacts"),
        ("prepare.py", "import cv2", "import no_such_module", "importable"),
        ("facts.py", "_SYSTEM =", 'open("/nowhere")\n_SYSTEM =', "importable"),
    ],
)
def test_a_folder_that_breaks_the_contract_is_refused(
    copied: Path, file: str, old: str, new: str, message: str
) -> None:
    edit(copied, file, old, new)
    with pytest.raises(ModelRefused, match=message):
        registry.load_model(NAME, search=(copied.parent,))


def test_a_prepare_that_changes_the_numbers_is_refused(copied: Path) -> None:
    edit(copied, "prepare.py", "Prepared(shown[np.newaxis]", "Prepared(shown[np.newaxis] * 1.02")
    with pytest.raises(ModelRefused, match="Golden case 1 must give"):
        registry.load_model(NAME, search=(copied.parent,))


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"cases": []}', '{"cases": [{"phantom": 1}]}', "{", '{"cases": 1}']
)
def test_golden_files_that_prove_nothing_are_refused(copied: Path, content: str) -> None:
    (copied / "golden.json").write_text(content)
    with pytest.raises(ModelRefused, match=r"golden\.json must hold"):
        registry.load_model(NAME, search=(copied.parent,))


def test_golden_probabilities_may_differ_by_a_little_only(copied: Path) -> None:
    recorded = json.loads((copied / "golden.json").read_text())
    first = recorded["cases"][0]["probabilities"]
    first["bright"] += 0.004
    (copied / "golden.json").write_text(json.dumps(recorded))
    registry.load_model(NAME, search=(copied.parent,))
    first["bright"] += 0.002
    (copied / "golden.json").write_text(json.dumps(recorded))
    with pytest.raises(ModelRefused, match=r"within 0\.005"):
        registry.load_model(NAME, search=(copied.parent,))


def test_a_golden_value_that_is_not_a_number_is_refused(copied: Path) -> None:
    recorded = json.loads((copied / "golden.json").read_text())
    recorded["cases"][0]["probabilities"]["bright"] = float("nan")
    (copied / "golden.json").write_text(json.dumps(recorded))
    with pytest.raises(ModelRefused, match="Golden case 1"):
        registry.load_model(NAME, search=(copied.parent,))


def test_what_record_writes_is_what_the_start_accepts(copied: Path) -> None:
    model = registry.assemble(NAME, search=(copied.parent,))
    content = golden.record(model, phantoms=[4], patterns=[9])
    (copied / "golden.json").write_text(json.dumps(content))
    registry.load_model(NAME, search=(copied.parent,))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (DicomFacts(modality="CR", body_part="CHEST"), NAME),
        (DicomFacts(modality="CR", body_part="HIP"), NAME),
        (DicomFacts(modality="CT"), None),
        (DicomFacts(), None),
    ],
)
def test_a_model_is_chosen_by_modality(
    monkeypatch: pytest.MonkeyPatch, facts: DicomFacts, expected: str | None
) -> None:
    monkeypatch.setattr(registry, "_BUILT_IN", TOY_MODELS[0])
    monkeypatch.setattr(registry, "_module", _toy_module)
    assert registry.choose_model([facts]) == expected


def _toy_module(folder: Path, name: str) -> object:
    from importlib import import_module

    return import_module(f"tests.inference.toy_models.{folder.name}.{name}")


def test_one_hash_stands_for_all_networks(toy: Model) -> None:
    whole = registry.weights_sha256(toy.facts.networks)
    assert toy.identity.weights_sha256 == whole
    one = {"classifier": toy.facts.networks["classifier"]}
    assert registry.weights_sha256(one) == one["classifier"].sha256
    changed = {**toy.facts.networks, "finder": replace(one["classifier"], sha256="0" * 64)}
    assert registry.weights_sha256(changed) != whole


def test_crops_are_averaged_and_the_heat_map_has_an_absolute_scale(toy: Model) -> None:
    probabilities = np.array([[0.2, 0.8], [0.6, 0.4]], np.float32)
    weak = np.full((2, 3, 3, 1), 0.05, np.float32)
    answer = interpret_outputs(toy.facts, (probabilities, weak))
    assert answer.classes == pytest.approx({"dark": 0.4, "bright": 0.6})
    assert answer.heat_map is not None
    np.testing.assert_allclose(answer.heat_map, 0.1)  # 0.05 of the model's 0.5, not stretched to 1


@pytest.mark.parametrize("outputs", [np.array([[0.2, 0.3, 0.5]]), np.array([[1.2, -0.2]])])
def test_outputs_that_are_no_probabilities_are_refused(toy: Model, outputs: np.ndarray) -> None:
    with pytest.raises(ModelRefused, match="must give"):
        interpret_outputs(toy.facts, (outputs.astype(np.float32),))


def test_outputs_that_are_not_finite_are_refused(toy: Model) -> None:
    with pytest.raises(ModelRefused, match="finite"):
        toy.classify(Prepared(np.full((1, 8, 8), np.nan, np.float32)))


def test_the_folders_own_interpretation_is_used(copied: Path) -> None:
    (copied / "interpret.py").write_text(
        "from inference.model_folder import Interpreted\n"
        "def interpret(prepared, outputs):\n"
        "    return Interpreted({'dark': 0.25, 'bright': 0.75}, interval=(0.6, 0.9))\n"
    )
    prediction = registry.assemble(NAME, search=(copied.parent,)).read([image()])
    assert (prediction.probability, prediction.interval) == (0.75, (0.6, 0.9))


def test_an_array_of_the_wrong_shape_is_refused(toy: Model) -> None:
    with pytest.raises(ModelRefused, match="refused shape"):
        toy.networks["classifier"].run(np.zeros((1, 3, 3), np.float32))


def test_importing_inference_loads_no_runtime() -> None:
    program = (
        "import sys, inference, inference.registry, inference.images, inference.prediction\n"
        "import inference.model_facts, plugin.commands.predict, plugin.commands.models\n"
        "heavy = {'onnxruntime', 'numpy', 'cv2', 'pydicom', 'gdcm', 'tensorflow'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
