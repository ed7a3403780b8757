"""Curves by hand, and plots as files: small, the same each time, readable without CSS."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.training.conftest import MODEL_FOLDER
from training import svg
from training.chest_xray import curves, plot_panels, plots
from training.chest_xray.predicted import read_predictions
from training.chest_xray.settings import Settings, load_settings
from training.errors import ExportError, TableError

pytestmark = pytest.mark.training

PARTS = (
    ("oof", "ieee8023", "covid"), ("oof", "ieee8023", "pneumonia_other"),
    ("oof", "nih", "normal"), ("oof", "armiro", "covid"),
    ("left_out:ieee8023", "ieee8023", "covid"), ("left_out:ieee8023", "ieee8023", "normal"),
    ("left_out:nih+rsna_normal", "nih", "normal"), ("beside:nih+rsna_normal", "armiro", "covid"),
)  # fmt: skip
EACH = 20
AREA = {"value": 0.8, "low": 0.7, "high": 0.9, "images": 9, "groups": 8}
PROBED = {"trained_network": {"adults_auc": AREA}, "frozen_features": {"adults_auc": AREA}}
HEAD = {
    "auc": AREA,
    "within": {"ieee8023": AREA},
    "sensitivity": AREA,
    "specificity": {"ieee8023": AREA, "nih": AREA},
    "unseen": {"without nih": {"auc": AREA | {"value": None, "low": None, "high": None}}},
    "gain": {},
}
TOLD = {"covid": {"balanced_accuracy": 0.6, "guessing": 0.5, "told": AREA}}
FIGURES = {
    "probe": {
        "as_it_is": PROBED,
        "frame_of_another": {"trained_network": {"adults_auc": AREA}},
        "lungs_blanked": PROBED,
        "outline_only": PROBED,
        "source_told": TOLD,
    },
    "heads": {
        "questions": {
            "covid": {"compared_with": "logistic", "heads": {"logistic": HEAD, "fine_tuned": HEAD}}
        }
    },
}
THRESHOLDS = {"rule_out": 0.1, "balanced": 0.4, "rule_in": 0.8}


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(MODEL_FOLDER / "training.toml")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for part, source, label in PARTS:
        for number in range(EACH):
            logit = rng.normal(1.0 if label == "covid" else -1.0)
            rows.append(
                {
                    "part": part, "path": f"{source}/{number}.jpg", "source": source,
                    "label": label, "group": f"{source}{label}{number // 2}",
                    "fold": 4 * (number % 2), "child": "n", "logit": logit,
                    "probability": 1 / (1 + np.exp(-logit)),
                }
            )  # fmt: skip
    child = rows[0] | {"source": "kermany", "label": "normal", "child": "y", "group": "child"}
    path = tmp_path / "predictions.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*rows, child])
    return path


def draw(table: Path, settings: Settings, folder: Path) -> Path:
    found = read_predictions(table)
    plots.draw_plots(FIGURES, found, THRESHOLDS, settings, folder / "plots")
    return folder


def test_honest_probabilities_lie_on_the_diagonal_and_overconfident_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    honest = rng.uniform(0, 1, 4000)
    truth = rng.uniform(0, 1, 4000) < honest
    weights, groups = np.ones(4000), np.arange(4000).astype(str)
    bins = curves.reliability(honest, truth, weights, groups, 1)
    assert len(bins) == 10
    assert max(abs(one.forecast - one.observed) for one in bins) < 0.06
    assert all(one.low <= one.observed <= one.high for one in bins)
    assert sum(one.images for one in bins) == 4000
    loud = honest**3 / (honest**3 + (1 - honest) ** 3)
    worst = max(abs(b.forecast - b.observed) for b in curves.reliability(
        loud, truth, weights, groups, 1))  # fmt: skip
    assert worst > 0.1


def test_weights_give_the_prevalence_and_no_source_counts_by_its_size() -> None:
    cells = np.array(["a covid"] * 2 + ["b normal"] * 90 + ["c normal"] * 10)
    truth = np.char.endswith(cells, "covid")
    groups = np.array(["p", "p"] + [f"b{i}" for i in range(90)] + ["c"] * 9 + ["d"])
    shares = {"a covid": 0.5, "b normal": 1, "c normal": 1}
    weights = curves.cell_weights(cells, groups, truth, 0.3, shares)
    assert weights.sum() == pytest.approx(1)
    assert weights[truth].sum() == pytest.approx(0.3)
    assert weights[cells == "b normal"].sum() == pytest.approx(0.35)
    # Nine images of one patient count three times as much as one of another, not nine times.
    assert weights[groups == "c"].sum() == pytest.approx(3 * weights[groups == "d"].sum())
    with pytest.raises(TableError, match="c normal has none"):
        curves.cell_weights(cells, groups, truth, 0.3, {"a covid": 1, "b normal": 1})


def test_net_benefit_by_hand() -> None:
    truth = np.array([True, True, False, False])
    given = np.array([0.9, 0.3, 0.6, 0.1])
    found = curves.net_benefit(given, truth, np.ones(4), reference=0.5, prevalence=0.5)
    at = int(np.argmin(np.abs(found.thresholds - 0.5)))
    t = found.thresholds[at]
    # Half of the sick and half of the well lie above.
    assert found.model[at] == pytest.approx(0.5 * 0.5 - 0.5 * 0.5 * t / (1 - t))
    assert found.treat_all[at] == pytest.approx(0.5 - 0.5 * t / (1 - t))


def test_a_perfect_model_gains_the_prevalence_and_prevalence_shifts_its_probabilities() -> None:
    truth = np.array([True, False])
    perfect = curves.net_benefit(np.array([1.0, 0.0]), truth, np.ones(2), 0.3, 0.05)
    assert perfect.model == pytest.approx(np.full(80, 0.05))
    # 0.5 at a prevalence of 0.5 is 0.05 at 0.05: nobody is called at 0.1.
    same = curves.net_benefit(np.array([0.5, 0.5]), truth, np.ones(2), 0.5, 0.05)
    assert same.model[same.thresholds > 0.06] == pytest.approx(0)
    assert same.model[0] == pytest.approx(same.treat_all[0])


def test_the_curve_of_roc_is_exact_at_its_grid() -> None:
    truth = np.array([True, True, False, True, False, False])
    found = curves.roc(np.array([6.0, 5, 4, 3, 2, 1]), truth)
    assert found.area == pytest.approx(8 / 9)
    assert np.interp(0.5, found.false_alarms, found.sensitivity) == pytest.approx(1)
    assert found.sensitivity[-1] == 1


def test_every_plot_of_the_card_is_drawn_small_and_named(
    table: Path, settings: Settings, tmp_path: Path
) -> None:
    folder = draw(table, settings, tmp_path)
    for plot in plots.PLOTS:
        text = (folder / "plots" / plot.file).read_text("utf-8")
        assert len(text.encode()) <= svg.MOST_BYTES
        assert ElementTree.fromstring(text).find("{http://www.w3.org/2000/svg}title") is not None
    joined = "\n".join(plots.paragraphs(folder))
    assert re.findall(r"!\[[^]]+\]\(plots/([^)]+)\)", joined) == [p.file for p in plots.PLOTS]
    (folder / "plots" / plots.PLOTS[0].file).unlink()
    assert len(plots.paragraphs(folder)) == len(plots.PLOTS) - 1


def test_a_plot_is_the_same_to_the_byte_and_needs_no_style_sheet(
    table: Path, settings: Settings, tmp_path: Path
) -> None:
    first, second = (draw(table, settings, tmp_path / name) for name in ("a", "b"))
    for plot in plots.PLOTS:
        text = (first / "plots" / plot.file).read_text("utf-8")
        assert text == (second / "plots" / plot.file).read_text("utf-8")
        assert not re.search(r"style=|<style|<script|https?://(?!www\.w3\.org/)", text)
        assert 'fill="#ffffff"' in text
    roc = (first / "plots" / "roc_left_out.svg").read_text("utf-8")
    assert re.search(r"<text[^>]*>nih\+rsna_normal against known: AUC 0\.\d\d</text>", roc)


def test_too_few_images_give_a_plot_that_says_so(tmp_path: Path) -> None:
    plot_panels.draw_roc(tmp_path / "roc.svg", "Known sources", {})
    assert "too few images" in (tmp_path / "roc.svg").read_text("utf-8")
    plot_panels.draw_marks(tmp_path / "marks.svg", "Heads", "area", {"children": []})
    assert "children" in (tmp_path / "marks.svg").read_text("utf-8")


def test_children_are_in_no_plot(table: Path, settings: Settings, tmp_path: Path) -> None:
    folder = draw(table, settings, tmp_path)
    for plot in plots.PLOTS:
        assert "kermany" not in (folder / "plots" / plot.file).read_text("utf-8")
    assert read_predictions(table).child.sum() == 1


def test_a_table_without_a_column_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("part,path,source,label,group,logit,child\noof,a,b,covid,g,1,n\n")
    with pytest.raises(TableError, match="must have rows with fold, probability"):
        read_predictions(path)


def test_a_plot_too_large_for_a_page_is_refused(tmp_path: Path) -> None:
    def crowded() -> None:
        with svg.plot(tmp_path / "crowded.svg", "Crowded") as figure:
            rng = np.random.default_rng(0)
            figure.subplots().plot(rng.random(9000), rng.random(9000))

    with pytest.raises(ExportError, match=r"crowded\.svg has"):
        crowded()
    assert not (tmp_path / "crowded.svg").exists()
