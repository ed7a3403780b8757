"""The article, repeated: start weights, split, training that goes on, figures, page, notebook."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import cv2
import keras
import nbclient
import nbformat
import numpy as np
import pytest

from inference.golden import phantom
from tests.training.conftest import REPOSITORY, write_table
from training.__main__ import main
from training.article import data as tables
from training.article import start_weights
from training.article.fitting import Labelled, fit
from training.article.judging import Judged, article_figures, called_covid
from training.article.network import article_network, load_start
from training.article.run import run
from training.article.settings import CLASSES, Repetition, Settings, repetitions
from training.chest_xray.table import Row
from training.errors import TableError, WeightsError

pytestmark = [pytest.mark.training, pytest.mark.slow]

TINY = Settings(side=171, epochs=1, eager=True, resamples=20)
# The whole package, for the tests that compare with its own JavaScript.
PACKAGE = os.environ.get("WETREAD_NSFWJS")


def _write(data: Path, path: str, number: int) -> None:
    picture = np.rint(phantom(number).pixels[::2, ::2] * 255).astype(np.uint8)
    (data / path).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(data / path), picture)


def _row(path: str, source: str, label: str, group: str) -> dict[str, str]:
    row = {"path": path, "set": source, "label": label, "group": group, "fold": "0"}
    child = source == "kermany" or (source == "article" and label != "covid")
    adult = "n" if child else "unknown" if source == "rsna_normal" else "y"
    return row | {"adult": adult, "article_overlap": "n", "lung_mask": ""}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15 training and 6 unseen images, drawn; patient ``shared`` is in both folders."""
    data = tmp_path_factory.mktemp("article-data")
    rows, others = [], []
    for label in (*CLASSES, "bacterial"):
        for folder, count in (("train", 5), ("test", 2)):
            for i in range(count):
                leaks = label == "covid" and i == 0
                group = "shared" if leaks else f"{folder}-{label}-{i}"
                rows.append(_row(f"article/{folder}/{label}/{i}.png", "article", label, group))
    for source, overlap in (("nih", "n"), ("rsna_normal", "n"), ("kermany", "n"), ("kermany", "y")):
        path = f"cxr/{source}-{overlap}.png"
        others.append(_row(path, source, "normal", path) | {"article_overlap": overlap})
    for number, row in enumerate(rows + others):
        _write(data, row["path"], number)
    write_table(data / "article.csv", rows)
    write_table(data / "cxr.csv", others)
    return data


def _labelled(data: Path, rows: tuple[Row, ...]) -> Labelled:
    return Labelled(tables.read_pictures(data, rows, TINY.side), tables.truth(rows))


def test_the_split_is_stratified_and_the_same_each_time(small: Path) -> None:
    sets = tables.article_sets(small, TINY, without_leak=False)
    assert [len(sets.training), len(sets.validation), len(sets.unseen)] == [12, 3, 6]
    assert {row.finding for row in sets.validation} == set(CLASSES)
    assert sets == tables.article_sets(small, TINY, without_leak=False)
    assert sets != tables.article_sets(small, replace(TINY, split_seed=43), without_leak=False)


def test_only_the_leaking_patient_is_left_out(small: Path) -> None:
    leaky = tables.article_sets(small, TINY, without_leak=False)
    clean = tables.article_sets(small, TINY, without_leak=True)
    assert [row.group for row in leaky.leaking] == ["shared"]
    assert clean.leaking == ()
    assert clean.unseen == leaky.unseen
    gone = set(leaky.training + leaky.validation) - set(clean.training + clean.validation)
    assert {row.group for row in gone} == {"shared"}


def test_validation_images_of_training_patients_are_counted(small: Path) -> None:
    sets = tables.article_sets(small, TINY, without_leak=False)
    twin = replace(sets.validation[0], group=sets.training[0].group)
    mixed = replace(sets, validation=(twin, *sets.validation[1:]))
    assert sets.validation_leaking == ()
    assert mixed.validation_leaking == (twin,)


def test_an_image_outside_both_folders_is_refused(small: Path, tmp_path: Path) -> None:
    rows = [_row("article/else/0.png", "article", "covid", "g")]
    rows += [
        _row(f"article/{f}/{c}.png", "article", c, f + c)
        for f in ("train", "test")
        for c in CLASSES
    ]
    write_table(tmp_path / "article.csv", rows)
    with pytest.raises(TableError, match="must begin with article/train/ or article/test/"):
        tables.article_sets(tmp_path, TINY, without_leak=False)


def test_healthy_adults_and_children_are_of_no_article_patient(small: Path) -> None:
    assert [row.source for row in tables.healthy_adults(small)] == ["nih", "rsna_normal"]
    assert [row.path for row in tables.healthy_children(small)] == ["cxr/kermany-n.png"]


def _judged(answers: dict[str, str]) -> Judged:
    """Rows named truth-number, each with its answer."""
    rows = tuple(
        Row(name, "article", "covid", name, -1, False, False, "", "", finding=name.split("-")[0])
        for name in answers
    )
    sure = np.eye(len(CLASSES), dtype=np.float32)
    return Judged(rows, sure[[CLASSES.index(answer) for answer in answers.values()]])


def test_figures_are_those_of_the_confusion_matrix() -> None:
    judged = _judged(
        {
            "covid-1": "covid",
            "covid-2": "viral",
            "normal-1": "normal",
            "viral-1": "covid",
            "viral-2": "normal",
        }
    )
    figures = article_figures(judged, TINY, seed=1)
    assert figures["confusion_matrix"] == [[1, 0, 1], [0, 1, 0], [1, 1, 0]]
    shares = [figures[name]["value"] for name in ("accuracy", "sensitivity", "specificity")]
    assert shares == pytest.approx([2 / 5, 1 / 2, 2 / 3], abs=1e-4)
    assert figures["report"]["covid"]["precision"] == pytest.approx(1 / 2)
    assert called_covid(judged, TINY, seed=1)["all"]["value"] == pytest.approx(2 / 5)
    rest = judged.without(judged.rows[:1])
    assert article_figures(rest, TINY, seed=1)["right"] == 1


def test_a_run_that_was_cut_off_goes_on_to_the_same_figures(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = tables.article_sets(small, TINY, without_leak=False)
    parts = _labelled(small, sets.training[:4]), _labelled(small, sets.validation)
    settings = replace(TINY, epochs=2, batch=4)

    def trained(folder: Path, epochs: int) -> tuple[list[float], np.ndarray]:
        model = article_network(settings, 5, None)
        history = fit(model, *parts, replace(settings, epochs=epochs), 5, folder)
        return [epoch.loss for epoch in history], model.get_layer("hidden").get_weights()[0]

    losses, weights = trained(tmp_path / "whole", 2)
    trained(tmp_path / "cut", 1)
    # Cut off between history and checkpoint: one line too many.
    written = json.loads((tmp_path / "cut" / "history.json").read_text("utf-8"))
    (tmp_path / "cut" / "history.json").write_text(json.dumps(written * 2), "utf-8")
    again, same = trained(tmp_path / "cut", 2)
    assert again == pytest.approx(losses, rel=1e-4)
    np.testing.assert_allclose(same, weights, atol=1e-6)


def test_a_run_leaves_figures_predictions_plot_and_page(small: Path, tmp_path: Path) -> None:
    found = run(small, tmp_path, None, [Repetition(1, without_leak=True)], TINY, tmp_path / "out")
    folder = tmp_path / "out" / "seed-1-without-leak"
    figures = json.loads((folder / "figures.json").read_text("utf-8"))
    assert figures == found["seed-1-without-leak"]
    assert figures["unseen_leaking"] == []
    assert {p.name for p in folder.iterdir()} == {
        "figures.json",
        "run.json",
        "history.csv",
        "predictions.csv",
        "curves.svg",
    }
    predictions = (folder / "predictions.csv").read_text("utf-8").splitlines()
    assert len(predictions) == 1 + 3 + 6 + 2 + 1  # validation, unseen, adults, children
    page = (tmp_path / "out" / "README.md").read_text("utf-8")
    right, images = figures["unseen"]["right"], figures["unseen"]["images"]
    assert f"The {images} unseen images: {right} right" in page
    assert "without the leaking patient with seed 1" in page
    assert "$" not in page


def test_a_page_without_figures_says_so(small: Path, tmp_path: Path) -> None:
    assert run(small, tmp_path, None, [], TINY, tmp_path / "out") == {}
    page = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "No repetition is finished yet" in page
    assert "0.975" not in page
    assert "$" not in page


def test_first_the_seeds_then_without_the_leak() -> None:
    names = [one.name for one in repetitions(2, 1)]
    assert names == ["seed-1", "seed-2", "seed-1-without-leak"]


def test_without_start_weights_the_command_names_both_ways(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["article", "--data", str(small), "--work", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "npm pack nsfwjs@" in said
    assert "--start imagenet" in said


# ------------------------------------------------------------------ start weights

_TENSORS = (
    'name:"conv2d_1/kernel",shape:[1,1,2,2],dtype:"float32",'
    'quantization:{min:-.5,scale:.25,dtype:"uint8"}',
    'name:"dense_1/bias",shape:[2],dtype:"float32",quantization:{min:1e-3,scale:2,dtype:"uint8"}',
)


def _package(path: Path, stored: bytes) -> str:
    """Write a package with two shards; its SHA-256."""
    tensors = "},{".join(_TENSORS)
    manifest = f'[{{paths:["shard1","shard2"],weights:[{{{tensors}}}]}}]'
    half = [base64.b64encode(part).decode() for part in (stored[:3], stored[3:])]
    files = {
        "model": f"f({{modelTopology:{{}},weightsManifest:{manifest}}},{{}})",
        "shard1": f'module.exports={{default:"{half[0]}"}}',
        "shard2": f'module.exports={{default:"{half[1]}"}}',
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"package/dist/models/inception_v3/{name}.min.js")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return sha256(path.read_bytes()).hexdigest()


def test_stored_bytes_become_weights_by_scale_and_minimum(tmp_path: Path) -> None:
    digest = _package(tmp_path / "p.tgz", bytes([0, 1, 2, 255, 0, 3]))
    weights = start_weights.read_start(tmp_path / "p.tgz", digest)
    kernel = weights["conv2d_1/kernel"]
    assert kernel.shape == (1, 1, 2, 2)
    np.testing.assert_allclose(kernel.ravel(), [-0.5, -0.25, 0.0, 63.25])
    np.testing.assert_allclose(weights["dense_1/bias"], [0.001, 6.001])


@pytest.mark.parametrize("stored", [bytes(5), bytes(7)], ids=["too few", "too many"])
def test_shards_of_another_length_are_refused(tmp_path: Path, stored: bytes) -> None:
    digest = _package(tmp_path / "p.tgz", stored)
    with pytest.raises(WeightsError, match="the shards must hold"):
        start_weights.read_start(tmp_path / "p.tgz", digest)


def test_another_package_and_no_package_are_refused(tmp_path: Path) -> None:
    _package(tmp_path / "p.tgz", bytes(6))
    with pytest.raises(WeightsError, match="must have SHA-256"):
        start_weights.read_start(tmp_path / "p.tgz")
    with pytest.raises(WeightsError, match="npm pack"):
        start_weights.read_start(tmp_path / "none.tgz")


def test_every_layer_of_the_network_has_its_stored_name() -> None:
    base = keras.applications.InceptionV3(include_top=False, weights=None, input_shape=(96, 96, 3))
    pairs = list(start_weights.inception_layers(base))
    assert {layer.name for layer, _ in pairs} == {la.name for la in base.layers if la.weights}
    assert len({name for _, names in pairs for name in names}) == 94 + 3 * 94
    # The first built, and one whose place in `base.layers` is not the order of building.
    names = {layer.name: stored for layer, stored in pairs}
    assert names[base.layers[1].name] == ("conv2d_1/kernel",)
    order = [layer for layer in base.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [la.name for la in order] != [la.name for la, stored in pairs if len(stored) == 1]


# What TensorFlow.js 4.22 answers to the picture below with the package's own network.
JAVASCRIPT = (0.27571481, 0.00636981, 0.71509856, 0.00201380, 0.00080299)


def _picture() -> np.ndarray:
    row, column, colour = np.ogrid[0:299, 0:299, 0:3]
    values = (row * 7 + column * 3 + colour * 50 + (row * column) % 97) % 256
    return (values / 255).astype(np.float32)[None]


@pytest.mark.skipif(
    PACKAGE is None, reason="set WETREAD_NSFWJS to the file that `npm pack nsfwjs@4.4.0` writes"
)
def test_the_network_answers_like_its_own_javascript() -> None:
    weights = start_weights.read_start(Path(str(PACKAGE)))
    base = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(299, 299, 3), pooling="avg"
    )
    load_start(base, Path(str(PACKAGE)))
    values = np.asarray(base(_picture(), training=False))
    for name in ("dense_1", "dense_2", "dense_3"):
        values = values @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]
        values = values if name == "dense_3" else np.maximum(values, 0)
    shares = np.exp(values - values.max())
    np.testing.assert_allclose((shares / shares.sum())[0], JAVASCRIPT, atol=1e-4)


# ------------------------------------------------------------------ notebook

NOTEBOOK = REPOSITORY / "docs" / "article.ipynb"


def _code(notebook: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def test_the_notebook_holds_no_output() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.outputs and cell.execution_count is None for cell in _code(notebook))


# Kernel and client run in threads of their own and warn about things that are theirs.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_runs_on_a_tiny_data_set(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    place = next(
        i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", [])
    )
    short = f"settings = Settings(side={TINY.side}, epochs=1, eager=True, resamples=20)"
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(short))
    monkeypatch.setenv("WETREAD_DATA", str(small))
    done = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(REPOSITORY)}}
    ).execute()
    said = {
        tag: "".join(out.get("text", "") for out in cell.outputs)
        for cell in _code(done)
        for tag in cell.metadata.get("tags", [])
    }
    assert "1 of 6 unseen images are of a patient in the training folder" in said["leak"]
    assert "healthy adults called Covid-19" in said["healthy"]
    plot = next(c for c in _code(done) if "plot" in c.metadata.get("tags", []))
    assert any("image/png" in out.get("data", {}) for out in plot.outputs)
