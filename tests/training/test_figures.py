"""Intervals, operating point and figures: plain numbers in, plain numbers out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.training.conftest import MODEL_FOLDER
from training.chest_xray.drawing import draw_weights, targets
from training.chest_xray.evaluation import Evaluator, Predictions
from training.chest_xray.operating_point import choose_operating_point, probabilities
from training.chest_xray.settings import Settings, load_settings
from training.chest_xray.table import Row
from training.errors import SettingsError
from training.intervals import area_under_curve, rate

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(MODEL_FOLDER / "training.toml")


def rows_of(*cells: tuple[str, str], child: bool = False) -> tuple[Row, ...]:
    return tuple(
        Row(f"{i}.png", source, label, f"g{i}", 0, child, False, "", "")
        for i, (source, label) in enumerate(cells)
    )


def test_the_interval_widens_when_images_share_a_patient() -> None:
    hits = np.arange(60) % 2 == 0
    hits[:30] = True
    alone = rate(hits, np.arange(60).astype(str), 400, 1)
    shared = rate(hits, (np.arange(60) // 15).astype(str), 400, 1)
    assert alone.value == shared.value
    assert shared.high - shared.low > alone.high - alone.low  # type: ignore[operator]
    assert shared.groups == 4


def test_the_same_seed_gives_the_same_interval() -> None:
    hits, groups = np.arange(20) % 3 == 0, np.arange(20).astype(str)
    assert rate(hits, groups, 100, 5) == rate(hits, groups, 100, 5)


def test_an_area_with_one_class_only_is_undefined_not_one() -> None:
    found = area_under_curve(np.ones(4, bool), np.arange(4.0), np.array(list("abcd")), 10, 1)
    assert found.value is None
    assert found.images == 4


def test_the_temperature_undoes_overconfidence(settings: Settings) -> None:
    rng = np.random.default_rng(3)
    rows = rows_of(*[("ieee8023", "covid"), ("nih", "normal")] * 200)
    truth = np.array([settings.classes.index(row.label) for row in rows])
    logits = np.zeros((400, 3))
    logits[np.arange(400), truth] = 1.0
    logits += rng.normal(0, 1.0, logits.shape)
    honest = choose_operating_point(logits, rows, settings)
    loud = choose_operating_point(logits * 4, rows, settings)
    assert loud.temperature == pytest.approx(4 * honest.temperature, rel=0.05)
    assert loud.threshold == pytest.approx(honest.threshold, abs=0.02)


def test_the_threshold_balances_sensitivity_and_specificity(settings: Settings) -> None:
    rng = np.random.default_rng(4)
    rows = rows_of(*[("ieee8023", "covid"), ("nih", "normal")] * 300)
    sick = np.array([row.label == "covid" for row in rows])
    logits = np.stack([rng.normal(0, 1, 600) + 2 * sick, np.zeros(600), np.zeros(600)], axis=1)
    point = choose_operating_point(logits, rows, settings)
    called = probabilities(logits, point.temperature)[:, 0] >= point.threshold
    assert called[sick].mean() == pytest.approx((~called[~sick]).mean(), abs=0.02)


def test_children_do_not_set_the_threshold(settings: Settings) -> None:
    adults = rows_of(*[("ieee8023", "covid"), ("nih", "normal")] * 5)
    logits = np.random.default_rng(0).normal(size=(10, 3))
    alone = choose_operating_point(logits, adults, settings)
    children = rows_of(("kermany", "normal"), child=True)
    joined = choose_operating_point(
        np.concatenate([logits, [[9.0, 0, 0]]]), adults + children, settings
    )
    assert joined == alone


def test_every_source_and_class_is_drawn_by_its_share(settings: Settings) -> None:
    rows = rows_of(*[("nih", "normal")] * 30, ("ieee8023", "covid"))
    weights = draw_weights(rows, settings)
    wanted = settings.draws["nih normal"] / settings.draws["ieee8023 covid"]
    assert weights[:30].sum() / weights[30] == pytest.approx(wanted)


def test_a_source_without_a_share_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="elsewhere covid"):
        draw_weights(rows_of(("elsewhere", "covid")), settings)


def test_a_child_says_nothing_about_covid(settings: Settings) -> None:
    adult = targets(rows_of(("kermany", "normal")), settings)[0]
    child = targets(rows_of(("kermany", "normal"), child=True), settings)[0]
    assert adult[3:].tolist() == [1, 1, 1]
    assert child[3:].tolist() == [0, 1, 1]
    assert child[0] == 0
    assert child[:3].sum() == pytest.approx(1)


def test_figures_count_children_apart_from_adults(settings: Settings) -> None:
    rows = rows_of(("ieee8023", "covid"), ("nih", "normal"), ("nih", "normal"))
    child = dataclasses.replace(rows_of(("kermany", "normal"), child=True)[0], group="c")
    chances = np.array([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1]])
    found = Evaluator(settings, 0.5).summary(Predictions((*rows, child), chances))
    assert found["adults"]["specificity"]["value"] == 0.5
    assert found["adults"]["sensitivity"]["value"] == 1
    assert found["children_called_covid"]["value"] == 1
    assert found["healthy_adults_called_covid"]["images"] == 2
