"""Heads compared: made-up features with a known signal, whole groups, no image's own label."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.training.made_up_heads import (
    FOLDS,
    PLAIN,
    area,
    compared,
    few_resamples,
    made_up,
    plain,
)
from training.chest_xray.heads_estimators import (
    Chosen,
    Examples,
    Kind,
    kinds,
    logistic,
)
from training.chest_xray.heads_questions import Inputs, parts, questions
from training.chest_xray.heads_scores import (
    Scores,
    balanced_threshold,
    decisions,
    frozen_scores,
    stacked_scores,
)
from training.chest_xray.settings import Settings
from training.errors import TableError

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def settings() -> Settings:
    return few_resamples()


def test_a_head_finds_what_is_there(settings: Settings, tmp_path: Path) -> None:
    inputs = dataclasses.replace(made_up(1, signal=4.0), left_out=())
    assert area(Kind("logistic", logistic), inputs, settings, tmp_path) > 0.95


def test_a_head_finds_nothing_in_noise(settings: Settings, tmp_path: Path) -> None:
    noise = [dataclasses.replace(made_up(seed, signal=0.0), left_out=()) for seed in range(12)]
    assert 0.4 < np.mean([area(PLAIN, one, settings, tmp_path) for one in noise]) < 0.6


def test_no_group_trains_and_judges(settings: Settings) -> None:
    inputs = made_up(2, signal=1.0)
    for question in questions(inputs, settings.target):
        found = list(parts(question, inputs))
        assert len(found) == FOLDS + len(question.left_out)
        judged = np.zeros(len(inputs.rows), int)
        for part in found:
            assert not set(inputs.groups[part.fitting]) & set(inputs.groups[part.judged])
            assert part.fitting.any()
            judged += part.judged & (not part.sources_left_out)
        assert np.array_equal(judged, question.asked.astype(int))


def test_an_unseen_source_trains_nothing_and_is_judged_with_the_held_out_fold(
    settings: Settings,
) -> None:
    inputs = made_up(3, signal=1.0)
    covid, bacterial = questions(inputs, settings.target)
    found = {part.name: part for part in parts(covid, inputs) if part.sources_left_out}
    for sources in (("nih",), ("ieee8023",)):
        part = found[f"without {sources[0]}"]
        assert sources[0] not in inputs.sources[part.fitting]
        assert inputs.reserved not in inputs.folds[part.fitting]
    # nih shows no Covid-19: it comes from the held-out fold; ieee8023 shows both and stays alone.
    beside = found["without nih"].judged & (inputs.sources != "nih")
    assert set(inputs.folds[beside]) == {inputs.reserved}
    assert covid.truth[beside].all()
    assert set(inputs.sources[found["without ieee8023"].judged]) == {"ieee8023"}
    assert not any(part.sources_left_out for part in parts(bacterial, inputs))


def test_images_of_the_articles_patients_are_judged_and_train_nothing(settings: Settings) -> None:
    inputs = made_up(4, signal=1.0)
    rows = tuple(
        dataclasses.replace(row, article_overlap=row.group.endswith("-0")) for row in inputs.rows
    )
    inputs = dataclasses.replace(inputs, rows=rows)
    overlap = np.array([row.article_overlap for row in rows])
    for part in parts(questions(inputs, settings.target)[0], inputs):
        assert not (part.fitting & overlap).any()
        assert (part.judged & overlap).any()


def test_a_group_in_two_folds_is_refused(settings: Settings) -> None:
    inputs = made_up(5, signal=1.0)
    moved = dataclasses.replace(inputs.rows[0], fold=3)
    with pytest.raises(TableError, match="one fold"):
        questions(dataclasses.replace(inputs, rows=(moved, *inputs.rows[1:])), settings.target)


def test_a_question_without_two_answers_is_not_asked(settings: Settings) -> None:
    inputs = made_up(5, signal=1.0)
    kept = np.array([row.finding != "viral" for row in inputs.rows])
    rows = tuple(row for row in inputs.rows if row.finding != "viral")
    fewer = Inputs(
        rows, inputs.features[kept], inputs.weights[kept], inputs.left_out, inputs.reserved
    )
    assert [one.key for one in questions(fewer, settings.target)] == ["covid"]


def test_the_held_out_fold_trains_and_chooses_nothing(settings: Settings, tmp_path: Path) -> None:
    """Whatever its labels were, every other fold's answers, stacked ones too, stay the same."""
    inputs = made_up(6, signal=1.0)
    covid = questions(inputs, settings.target)[0]
    held_out = inputs.folds == inputs.reserved
    other = dataclasses.replace(covid, truth=np.where(held_out, ~covid.truth, covid.truth))
    found = []
    for question in (covid, other):
        own = frozen_scores(PLAIN, question, inputs, tmp_path)
        stacked = stacked_scores({"one": own}, question, inputs)
        called = decisions(own, question, inputs)
        found.append(np.stack([own.out_of_fold, stacked.out_of_fold, called])[:, covid.asked])
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize("seed", range(6))
def test_no_image_has_a_say_in_its_own_stacked_answer(settings: Settings, seed: int) -> None:
    """Whatever the labels of one fold were, its stacked answers stay the same."""
    rng = np.random.default_rng(seed)
    inputs = made_up(seed, signal=1.0)
    covid = questions(inputs, settings.target)[0]
    answers = {name: Scores(rng.normal(size=len(inputs.rows)) + covid.truth) for name in "ab"}
    before = stacked_scores(answers, covid, inputs).out_of_fold
    fold = int(rng.integers(FOLDS - 1))  # the last one is held out
    here = inputs.folds == fold
    other = dataclasses.replace(covid, truth=np.where(here, ~covid.truth, covid.truth))
    after = stacked_scores(answers, other, inputs).out_of_fold
    assert np.array_equal(before[here & covid.asked], after[here & covid.asked])
    assert not np.allclose(before[~here & covid.asked], after[~here & covid.asked])
    assert np.isnan(before[~covid.asked]).all()


def test_no_image_has_a_say_in_its_own_answer(settings: Settings, tmp_path: Path) -> None:
    inputs = made_up(7, signal=1.0)
    covid = questions(inputs, settings.target)[0]
    here = (inputs.folds == 1) & covid.asked
    other = dataclasses.replace(covid, truth=np.where(here, ~covid.truth, covid.truth))
    before = frozen_scores(PLAIN, covid, inputs, tmp_path).out_of_fold
    after = frozen_scores(PLAIN, other, inputs, tmp_path).out_of_fold
    assert np.array_equal(before[here], after[here])
    assert not np.allclose(before[~here & covid.asked], after[~here & covid.asked])


def test_stacking_takes_the_better_head(settings: Settings) -> None:
    rng = np.random.default_rng(8)
    inputs = made_up(8, signal=1.0)
    covid = questions(inputs, settings.target)[0]
    noise = rng.normal(size=len(inputs.rows))
    answers = {
        "good": Scores(4.0 * covid.truth + rng.normal(size=len(noise))),
        "noise": Scores(noise),
    }
    for weights in stacked_scores(answers, covid, inputs).chosen.values():
        assert weights["good"] > 5 * abs(weights["noise"])


def test_an_image_that_weighs_nothing_does_not_move_the_threshold() -> None:
    truth = np.array([False, False, True, True])
    scores, weights = np.array([0.0, 1.0, 2.0, 3.0]), np.ones(4)
    assert balanced_threshold(truth, scores, weights) == 2.0
    more = balanced_threshold(
        np.append(truth, False), np.append(scores, 9.0), np.append(weights, 0.0)
    )
    assert more == 2.0


def test_the_threshold_of_a_fold_comes_from_the_others(settings: Settings) -> None:
    inputs = made_up(9, signal=1.0)
    covid = questions(inputs, settings.target)[0]
    # In fold 0 all scores are shifted: with a threshold of its own nothing would change.
    scores = np.where(covid.truth, 1.0, -1.0) + 10.0 * (inputs.folds == 0)
    called = decisions(Scores(scores), covid, inputs)
    first = (inputs.folds == 0) & covid.asked
    assert called[first].all()
    assert not called[~covid.asked].any()


def test_a_finished_fit_is_not_made_again(settings: Settings, tmp_path: Path) -> None:
    inputs = made_up(10, signal=2.0)
    asked: list[int] = []

    def search(examples: Examples) -> Chosen:
        asked.append(len(examples.truth))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return plain(examples)

    head = (Kind("logistic", search),)
    with pytest.raises(KeyboardInterrupt):
        compared(inputs, settings, tmp_path, heads=head)
    finished = compared(inputs, settings, tmp_path, heads=head)
    fits = 2 * FOLDS + 2
    assert len(asked) == fits + 1  # the interrupted one alone was made twice
    assert compared(inputs, settings, tmp_path, heads=head) == finished
    assert len(asked) == fits + 1
    changed = dataclasses.replace(inputs, features=inputs.features + np.float32(1))
    compared(changed, settings, tmp_path, heads=head)
    assert len(asked) == 2 * fits + 1


def test_another_time_for_automl_is_another_fit() -> None:
    slow, slower = (kinds(1, seconds)[2].options for seconds in (1.0, 2.0))
    assert slow != slower
