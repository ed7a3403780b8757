"""A whole run on drawn chests: from the table to weights that serving accepts."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from inference.golden import phantom
from inference.model_folder import Prepared
from inference.models.chest_xray import network
from inference.registry import load_model
from tests.training.conftest import CELLS, FOLDS
from training.chest_xray.card import BEGIN
from training.chest_xray.goals import GOALS
from training.chest_xray.plots import PLOTS
from training.chest_xray.run import run

pytestmark = [
    pytest.mark.training,
    pytest.mark.slow,
    # FLAML, whose clock ends before a dozen pictures were tried.
    pytest.mark.filterwarnings("ignore:.*encountered in scalar divide:RuntimeWarning"),
]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def figures(folder: Path, data: Path, work: Path) -> dict[str, Any]:
    # A run of seconds has too few steps for slow averages.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "BATCH_NORM_MOMENTUM", 0.8)
        return run(folder, data, work, pretrained=False)


def test_serving_accepts_the_weights_and_reproduces_the_golden_answers(
    figures: dict[str, Any], folder: Path
) -> None:
    model = load_model(folder.name, threads=1, search=(folder.parent,))
    # Gates that saw sixty pictures may refuse what they like: the networks themselves are asked.
    golden = json.loads((folder / "golden.json").read_text("utf-8"))["cases"]
    prepared = model.prepare(phantom(golden[0]["phantom"]))
    assert isinstance(prepared, Prepared)
    answer = model.classify(prepared)
    assert sum(answer.classes.values()) == pytest.approx(1, abs=1e-4)
    assert answer.heat_map is not None
    assert answer.interval is not None
    assert figures["lung_finder_dice"]["kermany"] > 0.7


def test_the_record_names_everything_the_weights_depend_on(
    figures: dict[str, Any], folder: Path
) -> None:
    record = json.loads((folder / "trained.json").read_text("utf-8"))
    assert record["seed"] == record["settings"]["seed"]
    assert len(record["data_sha256"]) == 64
    assert {"commit", "libraries", "networks", "operating_points", "scale"} <= record.keys()
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    for point in record["operating_points"]:
        assert f"{point['threshold']:.3f}" in card.split(BEGIN)[1]
    assert json.loads((folder / "figures.json").read_text("utf-8")) == figures


def test_every_image_has_its_prediction_by_a_network_that_it_did_not_train(
    figures: dict[str, Any], folder: Path
) -> None:
    with (folder / "predictions.csv").open(newline="") as file:
        kept = list(csv.DictReader(file))
    known = [row for row in kept if row["part"] == "oof"]
    assert len(known) + len(figures["refused_without_lungs"]) >= 2 * FOLDS * len(CELLS)
    assert len({row["path"] for row in known}) == len(known)
    assert {row["part"] for row in kept} == {
        "oof", "held_out", "article",
        "left_out:nih+rsna_normal", "left_out:ieee8023", "left_out:armiro+figure1",
        "beside:nih+rsna_normal", "beside:ieee8023", "beside:armiro+figure1",
    }  # fmt: skip


def test_a_second_run_takes_up_the_first_one_and_gives_the_same_figures(
    figures: dict[str, Any], folder: Path, data: Path, work: Path
) -> None:
    again = folder.with_name("tiny_xray_again")
    shutil.copytree(folder, again, ignore=shutil.ignore_patterns("weights", "*.json"))
    repeated = run(again, data, work, pretrained=False)
    for part in ("held_out", "out_of_fold"):
        first, second = figures[part]["adults"]["auc"], repeated[part]["adults"]["auc"]
        assert second["value"] == pytest.approx(first["value"], abs=0.01)
    assert repeated["images"] == figures["images"]


def test_the_runs_without_a_source_and_without_lungs_are_reported(figures: dict[str, Any]) -> None:
    assert [part["left_out"] for part in figures["left_out"]] == [
        ["nih", "rsna_normal"],
        ["ieee8023"],
        ["armiro", "figure1"],
    ]
    assert figures["left_out"][0]["adults"]["specificity"]["images"] > 0
    assert figures["left_out"][0]["against_known_covid"]["auc"]["value"] is not None
    assert {"as_it_is", "lungs_blanked", "outline_only", "frame_of_another"} <= set(
        figures["probe"]
    )


def test_every_part_of_the_run_has_its_figures_and_its_place_in_the_card(
    figures: dict[str, Any], folder: Path
) -> None:
    parts = ("heads", "extent", "children", "novelty", "orientation", "occlusion", "refusals")
    assert [part for part in parts if not figures.get(part)] == []
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    for goal in GOALS:
        assert goal.words in card
    for plot in PLOTS:
        assert (folder / "plots" / plot.file).is_file()
        assert plot.file in card
