"""Radiographic extent: shown where it beats saying the mean, and only there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inference.models.chest_xray.extent import SCALES
from training.chest_xray.extent import expert_scores, fit_extent, fit_head
from training.chest_xray.extent_figures import tables
from training.chest_xray.table import Row

pytestmark = pytest.mark.training

FOLDS = range(4)
FEATURES = 30
SETTINGS: Any = SimpleNamespace(seed=3, report=SimpleNamespace(bootstrap=60))


def scored_rows(count: int, rng: np.random.Generator) -> tuple[tuple[Row, ...], np.ndarray]:
    """Rows of which a third has all scores, a third Brixia's, a third none; and their extent."""
    extent = rng.random(count)
    rows = []
    for i, share in enumerate(extent):
        noisy = np.clip(share + rng.normal(0, 0.05, 3), 0, 1)
        geographic, opacity, brixia = (
            float(v * s.highest) for v, s in zip(noisy, SCALES, strict=True)
        )
        rows.append(
            Row(f"{i}.png", "ieee8023", "covid", f"g{i // 2}", (i // 2) % 4, False, False, "", "",
                geographic_extent=geographic if i % 3 == 0 else None,
                opacity=opacity if i % 3 == 0 else None,
                brixia=brixia if i % 3 < 2 else None)
        )  # fmt: skip
    return tuple(rows), extent


def told(extent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Features that hold the extent, among noise."""
    features = rng.normal(0, 1, (len(extent), FEATURES))
    features[:, 0] += 12 * extent
    return features.astype(np.float32)


def test_scores_that_the_features_tell_are_shown_and_beat_the_mean() -> None:
    rng = np.random.default_rng(1)
    rows, extent = scored_rows(180, rng)
    features = told(extent, rng)
    found = fit_extent(rows, dict.fromkeys(FOLDS, features), features, SETTINGS)
    assert found.shown
    for scale in SCALES:
        measure = found.figures["measures"][scale.key]
        assert measure["mae"]["value"] < measure["mae_of_mean"]["value"]
        assert measure["kappa"]["low"] > measure["kappa_of_mean"]["value"]
    assert found.figures["level"]["accuracy"]["value"] > 0.6
    assert found.trained()["errors"].keys() == {scale.key for scale in SCALES}
    assert "Levels are shown" in "\n".join(tables(found.figures))


def test_scores_that_the_features_do_not_tell_are_not_shown() -> None:
    rng = np.random.default_rng(2)
    rows, _ = scored_rows(180, rng)
    noise = rng.normal(0, 1, (180, FEATURES)).astype(np.float32)
    found = fit_extent(rows, dict.fromkeys(FOLDS, noise), noise, SETTINGS)
    assert not found.shown
    assert found.figures["measures"]["geographic_extent"]["gain"]["low"] <= 0
    assert "no level is shown" in "\n".join(tables(found.figures))


def test_each_fold_is_judged_by_its_own_features_and_other_folds_do_not_count() -> None:
    """Features that tell the truth in the training folds and nothing in the judged one."""
    rng = np.random.default_rng(3)
    rows, extent = scored_rows(180, rng)
    fold = np.array([row.fold for row in rows])
    blind = {}
    for held_out in FOLDS:
        features = told(extent, rng)
        features[fold == held_out, 0] = 0
        blind[held_out] = features
    assert not fit_extent(rows, blind, blind[0], SETTINGS).shown
    fewer = {0: blind[0], 1: blind[1]}
    images = fit_extent(rows, fewer, blind[0], SETTINGS).figures["measures"]["brixia"]["mae"][
        "images"
    ]
    assert images == sum(row.brixia is not None and row.fold < 2 for row in rows)


def test_served_weights_give_the_scores_of_the_head() -> None:
    rng = np.random.default_rng(4)
    rows, extent = scored_rows(120, rng)
    features = told(extent, rng)
    found = fit_extent(rows, dict.fromkeys(FOLDS, features), features, SETTINGS)
    assert found.weights.shape == (FEATURES, 3)
    assert found.weights.dtype == found.bias.dtype == np.float32
    scores = features @ found.weights + found.bias
    assert np.corrcoef(scores[:, 0], extent)[0, 1] > 0.9
    np.testing.assert_allclose(scores.mean(axis=0), [4, 3, 9], rtol=0.25)


def test_scores_are_clipped_to_their_scales() -> None:
    rng = np.random.default_rng(5)
    rows, extent = scored_rows(120, rng)
    features, scores = told(extent, rng), expert_scores(rows)
    used = np.isfinite(scores).any(axis=1)
    groups = np.array([row.group for row in rows])
    head = fit_head(features[used], scores[used], groups[used])
    far = head.scores(features[:2] + np.array([[200.0], [-200.0]]) * np.eye(FEATURES)[0])
    np.testing.assert_allclose(far, [[8, 6, 18], [0, 0, 0]])


def test_too_few_scored_images_show_nothing() -> None:
    rng = np.random.default_rng(6)
    for count in (0, 9):
        rows, extent = scored_rows(count, rng)
        features = told(extent, rng)
        found = fit_extent(rows, dict.fromkeys(FOLDS, features), features, SETTINGS)
        assert not found.shown
        assert not found.weights.any()
        assert found.trained()["errors"] == {}
