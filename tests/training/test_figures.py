"""Intervals, operating point and figures: plain numbers in, plain numbers out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tests.training.conftest import MODEL_FOLDER
from training.chest_xray.calibration import (
    balanced_weights,
    calibrate,
    choose_thresholds,
    expected_error,
    log_odds,
)
from training.chest_xray.drawing import (
    draw_weights,
    frame_weights,
    opacity_target,
    targets,
    usable,
)
from training.chest_xray.evaluation import Evaluator, Predictions
from training.chest_xray.settings import Settings, load_settings
from training.chest_xray.table import Row
from training.errors import SettingsError, TableError
from training.intervals import area_under_curve, ranked_area, rate

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


def test_areas_are_scikit_learns_also_where_scores_are_equal() -> None:
    rng = np.random.default_rng(6)
    truth = rng.random(300) < 0.3
    scores = np.round(rng.normal(size=300) + truth, 1)
    area = ranked_area(truth, scores)
    for _ in range(20):
        chosen = rng.integers(0, 300, 300)
        assert area(chosen) == pytest.approx(roc_auc_score(truth[chosen], scores[chosen]))


def test_an_area_of_scores_that_are_no_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        ranked_area(np.array([True, False]), np.array([np.nan, 1.0]))


def test_an_area_with_one_class_only_is_undefined_not_one() -> None:
    found = area_under_curve(np.ones(4, bool), np.arange(4.0), np.array(list("abcd")), 10, 1)
    assert found.value is None
    assert found.images == 4


PAIRS = (("ieee8023", "covid"), ("nih", "normal"))


def made_scores(count: int, seed: int) -> tuple[tuple[Row, ...], np.ndarray]:
    """Scores of which a tenth of the truth is known: honest at a prevalence of one half."""
    rng = np.random.default_rng(seed)
    rows = rows_of(*PAIRS * count)
    sick = np.array([row.label == "covid" for row in rows])
    return rows, rng.normal(0, np.sqrt(2), len(rows)) + np.where(sick, 1.0, -1.0)


def test_calibration_undoes_overconfidence_and_moves_to_the_prevalence(settings: Settings) -> None:
    rows, scores = made_scores(1500, 3)
    honest, loud = calibrate(scores, rows, settings), calibrate(scores * 4, rows, settings)
    assert honest.slope == pytest.approx(1, abs=0.1)
    assert loud.slope == pytest.approx(honest.slope / 4, rel=0.02)
    weights = balanced_weights(rows, settings, settings.calibration.prevalence)
    mean = float((honest.probability(scores) * weights).sum())
    assert mean == pytest.approx(settings.calibration.prevalence, abs=0.01)


def test_an_honest_forecast_has_a_small_calibration_error_and_a_loud_one_a_large(
    settings: Settings,
) -> None:
    rows, scores = made_scores(1500, 5)
    fitted = calibrate(scores, rows, settings)
    truth = np.array([row.label == "covid" for row in rows])
    weights = balanced_weights(rows, settings, fitted.prevalence)
    assert expected_error(fitted.probability(scores), truth, weights) < 0.04
    assert expected_error(fitted.probability(scores * 5), truth, weights) > 0.08


def test_the_interval_holds_the_probability_and_narrows_with_more_images(
    settings: Settings,
) -> None:
    widths = []
    for count in (30, 1500):
        rows, scores = made_scores(count, 6)
        found = calibrate(scores, rows, settings)
        assert (found.low <= found.knots).all()
        assert (found.knots <= found.high).all()
        widths.append(float((found.high - found.low).mean()))
    assert widths[1] < widths[0] / 2


def test_the_classes_sum_to_one_and_the_others_keep_their_proportion(settings: Settings) -> None:
    rows, scores = made_scores(50, 7)
    fitted = calibrate(scores, rows, settings)
    logits = np.random.default_rng(1).normal(size=(20, 3))
    chances = fitted.classes(logits, 0)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_allclose(chances[:, 0], fitted.probability(log_odds(logits, 0)))
    np.testing.assert_allclose(
        chances[:, 1] / chances[:, 2], np.exp(logits[:, 1] - logits[:, 2]), rtol=1e-9
    )


def test_the_three_points_keep_what_they_promise(settings: Settings) -> None:
    rows, scores = made_scores(800, 4)
    fitted = calibrate(scores, rows, settings)
    chances = fitted.probability(scores)
    points = choose_thresholds(chances, rows, settings)
    sick = np.array([row.label == "covid" for row in rows])
    assert points.rule_out < points.balanced < points.rule_in
    assert (chances[sick] >= points.rule_out).mean() >= settings.calibration.rule_out - 1e-9
    assert (chances[~sick] < points.rule_in).mean() >= settings.calibration.rule_in - 1e-9
    called = chances >= points.balanced
    assert called[sick].mean() == pytest.approx((~called[~sick]).mean(), abs=0.01)


def test_calibration_without_one_of_the_classes_is_refused(settings: Settings) -> None:
    with pytest.raises(TableError, match="with and without the target"):
        calibrate(np.zeros(3), rows_of(*[("nih", "normal")] * 3), settings)


def test_every_source_and_class_is_drawn_by_its_share(settings: Settings) -> None:
    rows = rows_of(*[("nih", "normal")] * 30, ("ieee8023", "covid"))
    weights = draw_weights(rows, settings)
    wanted = settings.draws["nih normal"] / settings.draws["ieee8023 covid"]
    assert weights[:30].sum() / weights[30] == pytest.approx(wanted)


def test_a_source_without_a_share_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="elsewhere covid"):
        draw_weights(rows_of(("elsewhere", "covid")), settings)


def with_children(settings: Settings, children: str) -> Settings:
    changed = dataclasses.replace(settings.mitigation, children=children)
    return dataclasses.replace(settings, mitigation=changed)


def test_a_child_set_apart_says_nothing_about_covid(settings: Settings) -> None:
    apart, sources = with_children(settings, "apart"), ("kermany", "nih")
    adult = targets(rows_of(("kermany", "normal")), apart, sources)[0]
    child = targets(rows_of(("kermany", "normal"), child=True), apart, sources)[0]
    speaks = with_children(settings, "speak")
    loud = targets(rows_of(("kermany", "normal"), child=True), speaks, sources)[0]
    assert adult[3:6].tolist() == [1, 1, 1]
    assert child[3:6].tolist() == [0, 1, 1]
    assert loud[3:6].tolist() == [1, 1, 1]
    assert child[:3].tolist() == [0, 1, 0]
    assert child[8:].tolist() == [1, 0]


def test_a_childs_clear_lungs_are_no_covid_but_its_pneumonia_leaves_the_kind_open(
    settings: Settings,
) -> None:
    clear, sources = with_children(settings, "clear"), ("kermany",)
    rows = rows_of(("kermany", "normal"), ("kermany", "pneumonia_other"), child=True)
    healthy, ill = targets(rows, clear, sources)
    assert healthy[:6].tolist() == [0, 1, 0, 1, 1, 1]
    assert ill[:6].tolist() == [1, 0, 1, 1, 1, 1]


def test_children_train_only_where_the_settings_let_them(settings: Settings) -> None:
    child = rows_of(("kermany", "normal"), child=True)[0]
    covid_child = rows_of(("armiro", "covid"), child=True)[0]
    assert usable(child, with_children(settings, "speak"))
    assert not usable(child, with_children(settings, "none"))
    assert not usable(covid_child, with_children(settings, "speak"))


def test_opacity_is_taught_by_radiologists_first_and_only_inside_one_source() -> None:
    mined = rows_of(("nih", "normal"))[0]
    corrected = dataclasses.replace(mined, radiologists="Lung Opacity")
    unsure = dataclasses.replace(mined, radiologists="No Lung Opacity / Not Normal")
    assert opacity_target(corrected) == (1, 1)
    assert opacity_target(unsure)[1] == 0
    assert 0 < opacity_target(mined)[1] < 1
    assert opacity_target(rows_of(("rsna_normal", "normal"))[0])[1] == 0
    assert opacity_target(rows_of(("armiro", "covid"))[0])[1] == 0


def test_frames_are_lent_as_often_by_every_source_and_class() -> None:
    weights = frame_weights(rows_of(*[("nih", "normal")] * 30, ("ieee8023", "covid")))
    assert weights[:30].sum() == pytest.approx(weights[30])


def test_figures_count_children_apart_from_adults(settings: Settings) -> None:
    rows = rows_of(("ieee8023", "covid"), ("nih", "normal"), ("nih", "normal"))
    child = dataclasses.replace(rows_of(("kermany", "normal"), child=True)[0], group="c")
    chances = np.array([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1]])
    found = Evaluator(settings, 0.5).summary(Predictions((*rows, child), chances))
    assert found["adults"]["specificity"]["value"] == 0.5
    assert found["adults"]["sensitivity"]["value"] == 1
    assert found["children_called_covid"]["value"] == 1
    assert found["healthy_adults_called_covid"]["images"] == 2
