"""Heads compared: made-up features with a known signal, whole groups, no image's own label."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tests.training.conftest import MODEL_FOLDER
from training.chest_xray import heads_run
from training.chest_xray.answers import Answers, Logits
from training.chest_xray.crops import Crops
from training.chest_xray.heads import FINE_TUNED, STACKED, compare_heads, plot_heads, tables
from training.chest_xray.heads_estimators import (
    Chosen,
    Examples,
    Kind,
    automl,
    fit,
    kinds,
    log_odds,
    logistic,
    xgboost,
)
from training.chest_xray.heads_questions import Inputs, parts, questions
from training.chest_xray.heads_scores import (
    Scores,
    Unseen,
    balanced_threshold,
    checked,
    decisions,
    frozen_scores,
    own_fold,
    stacked_scores,
)
from training.chest_xray.heads_settings import HeadsSettings
from training.chest_xray.protocol import SERVED, all_fittings
from training.chest_xray.settings import Report, Settings, load_settings
from training.chest_xray.table import Row
from training.errors import TableError

pytestmark = pytest.mark.training

FEATURES, FOLDS, GROUPS = 6, 4, 6
CELLS = (
    ("ieee8023", "covid"),
    ("ieee8023", "bacterial"),
    ("armiro", "covid"),
    ("nih", "normal"),
    ("nih", "pneumonia_other"),
    ("kermany", "bacterial"),
    ("kermany", "viral"),
)


def plain(_examples: Examples) -> Chosen:
    """Logistic regression without a choice: enough where the parts around it are tested."""
    head = LogisticRegression(C=0.1)
    return Chosen(Pipeline([("scale", StandardScaler()), ("head", head)]), {"C": 0.1})


PLAIN = Kind("logistic", plain)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return dataclasses.replace(
        load_settings(MODEL_FOLDER / "training.toml"), report=Report(bootstrap=40)
    )


def row_of(source: str, finding: str, fold: int, group: int, image: int) -> Row:
    name = f"{source}-{finding}-{fold}-{group}"
    label = finding if finding in ("covid", "normal") else "pneumonia_other"
    child = source == "kermany"
    return Row(
        f"{name}-{image}.png", source, label, name, fold, child, False, "", "", finding=finding
    )  # fmt: skip


def made_up(seed: int, signal: float, fewer: int = FOLDS) -> Inputs:
    """Two images a group, much alike; the first feature tells Covid-19, the second bacterial."""
    rng = np.random.default_rng(seed)
    rows = tuple(
        row_of(*cell, fold, group, image)
        for cell in CELLS
        for fold in range(fewer)
        for group in range(GROUPS)
        for image in range(2)
    )
    own = {group: rng.normal(size=FEATURES) for group in sorted({row.group for row in rows})}
    features = np.stack([own[row.group] + 0.1 * rng.normal(size=FEATURES) for row in rows])
    features[:, 0] += signal * np.array([row.label == "covid" for row in rows])
    features[:, 1] += signal * np.array([row.finding == "bacterial" for row in rows])
    left_out = (("nih",), ("ieee8023",))
    weights = np.ones(len(rows))
    return Inputs(rows, features.astype(np.float32), weights, left_out, fewer - 1)


def areas(figures: dict[str, object], question: str) -> dict[str, float]:
    heads = figures["questions"][question]["heads"]  # type: ignore[index]
    return {name: found["auc"]["value"] for name, found in heads.items()}


def compared(inputs: Inputs, settings: Settings, work: Path, **more: object) -> dict[str, object]:
    options = {"heads": (PLAIN,), "fine_tuned": {}} | more
    return compare_heads(inputs, settings=settings, own=HeadsSettings(1), work=work, **options)  # type: ignore[arg-type]


def area(head: Kind, inputs: Inputs, settings: Settings, work: Path) -> float:
    covid = questions(inputs, settings.target)[0]
    found = frozen_scores(head, covid, inputs, work).out_of_fold
    return float(roc_auc_score(covid.truth[covid.asked], found[covid.asked]))


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


def fine_tuned(inputs: Inputs, settings: Settings) -> dict[str, Scores]:
    rng = np.random.default_rng(11)
    covid, bacterial = questions(inputs, settings.target)
    scores = 2.0 * covid.truth + rng.normal(size=len(inputs.rows))
    unseen = {"without nih": Unseen(scores, 1.0), "without ieee8023": Unseen(scores, None)}
    return {
        "covid": Scores(scores, unseen),
        "bacterial": Scores(2.0 * bacterial.truth + rng.normal(size=len(inputs.rows))),
    }


@pytest.fixture(scope="module")
def figures(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    inputs = made_up(12, signal=2.0)
    return compared(
        inputs, settings, tmp_path_factory.mktemp("work"), fine_tuned=fine_tuned(inputs, settings)
    )


def test_every_head_is_judged_on_the_same_images(figures: dict[str, object]) -> None:
    for question, found in figures["questions"].items():  # type: ignore[attr-defined]
        assert list(found["heads"]) == ["logistic", FINE_TUNED, STACKED]
        counts = {
            (head["auc"]["images"], head["auc"]["groups"]) for head in found["heads"].values()
        }
        assert counts == {(found["images"], found["images"] // 2)}
        assert found["heads"]["logistic"]["gain"]["auc"]["value"] == 0, question


def test_figures_within_a_source_need_both_classes(figures: dict[str, object]) -> None:
    found = figures["questions"]["covid"]["heads"]["logistic"]  # type: ignore[index]
    assert list(found["within"]) == ["ieee8023"]
    assert sorted(found["specificity"]) == ["ieee8023", "nih"]
    assert sorted(found["unseen"]) == ["without ieee8023", "without nih"]
    assert figures["questions"]["bacterial"]["heads"]["logistic"]["within"] == {}  # type: ignore[index]


def test_the_table_has_a_column_for_each_head_and_the_figures_in_it(
    figures: dict[str, object],
) -> None:
    table = next(text for text in tables(figures) if text.startswith("| "))
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert {len(line) for line in lines[2:]} == {4}
    assert lines[0][-3:] == ["logistic regression", "fine-tuned", "stacked"]
    found = figures["questions"]["bacterial"]["heads"][FINE_TUNED]["auc"]  # type: ignore[index]
    line = next(line for line in lines if "bacterial" in line[0] and ": AUC, n" in line[0])
    assert line[2] == f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
    unseen = next(line for line in lines if "unseen nih, AUC" in line[0])
    assert unseen[3] == "–"
    chosen = next(line for line in lines if "unseen ieee8023, sensitivity" in line[0])
    assert chosen[2] == "–"
    assert chosen[1] != "–"


def test_the_plot_has_a_row_for_each_area_and_a_mark_for_each_head(
    figures: dict[str, object], tmp_path: Path
) -> None:
    plot_heads(figures, tmp_path / "heads.svg")
    drawn = (tmp_path / "heads.svg").read_text("utf-8")
    for words in ("AUC inside ieee8023", "unseen nih, AUC", "bacterial against viral", "stacked"):
        assert words in drawn
    fewer = copy.deepcopy(figures)
    for question in fewer["questions"].values():  # type: ignore[attr-defined]
        del question["heads"][FINE_TUNED]
    plot_heads(fewer, tmp_path / "fewer.svg")
    assert len((tmp_path / "fewer.svg").read_text("utf-8")) < len(drawn)
    assert ">fine-tuned<" not in (tmp_path / "fewer.svg").read_text("utf-8")


def test_a_figure_that_is_undefined_is_left_out_of_plot_and_table(
    figures: dict[str, object], tmp_path: Path
) -> None:
    gaps = copy.deepcopy(figures)
    empty = {"value": None, "low": None, "high": None, "images": 0, "groups": 0}
    gaps["questions"]["covid"]["heads"]["logistic"]["auc"] = empty  # type: ignore[index]
    plot_heads(gaps, tmp_path / "heads.svg")
    table = next(text for text in tables(gaps) if text.startswith("| "))
    line = next(line for line in table.splitlines() if ": AUC, all sources" in line)
    assert line.split(" | ")[1] == "–"


def test_answers_that_lack_an_image_are_refused(settings: Settings, tmp_path: Path) -> None:
    inputs = made_up(13, signal=1.0)
    scores = np.full(len(inputs.rows), np.nan)
    with pytest.raises(TableError, match="'fine_tuned' must answer every image"):
        compared(inputs, settings, tmp_path, fine_tuned={"covid": Scores(scores)})
    unknown = Scores(np.zeros(len(scores)), {"without mars": Unseen(np.zeros(len(scores)), 0.0)})
    with pytest.raises(TableError, match="without mars"):
        compared(inputs, settings, tmp_path, fine_tuned={"covid": unknown})


def test_each_image_gets_the_answer_of_the_network_that_did_not_see_its_fold() -> None:
    inputs = made_up(14, signal=1.0)
    by_fold = {fold: np.full(len(inputs.rows), float(fold)) for fold in range(FOLDS)}
    assert np.array_equal(own_fold(by_fold, inputs), inputs.folds)


@pytest.mark.parametrize(
    "search",
    [lambda e: xgboost(e, 3), lambda e: automl(e, 3, 2.0)],
    ids=["xgboost", "automl"],
)
def test_trees_and_automl_find_the_signal_for_patients_they_have_not_seen(
    search: Callable[[Examples], Chosen], settings: Settings
) -> None:
    inputs = made_up(15, signal=4.0)
    covid = questions(inputs, settings.target)[0]
    part = next(iter(parts(covid, inputs)))
    examples = Examples(
        inputs.features[part.fitting],
        covid.truth[part.fitting],
        np.ones(int(part.fitting.sum())),
        inputs.folds[part.fitting],
    )
    chosen = search(examples)
    scores = log_odds(fit(chosen, examples).predict_proba(inputs.features[part.judged]))
    truth = covid.truth[part.judged]
    assert chosen.parameters.get("trials", 1) > 0
    assert np.median(scores[truth]) > np.median(scores[~truth]) + 1
    assert np.isfinite(scores).all()


def test_time_is_logged_for_each_fit(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = made_up(16, signal=1.0)
    with caplog.at_level(logging.INFO):
        frozen_scores(PLAIN, questions(inputs, settings.target)[0], inputs, tmp_path)
    assert sum("covid, logistic, fold" in message for message in caplog.messages) == FOLDS


def test_an_automl_search_that_the_clock_ends_at_once_still_chooses(settings: Settings) -> None:
    inputs = made_up(17, signal=4.0)
    covid = questions(inputs, settings.target)[0]
    fitting = next(iter(parts(covid, inputs))).fitting
    examples = Examples(
        inputs.features[fitting],
        covid.truth[fitting],
        np.ones(int(fitting.sum())),
        inputs.folds[fitting],
    )
    chosen = automl(examples, 3, 1e-3)
    assert chosen.parameters["trials"] == 0
    assert fit(chosen, examples).predict_proba(examples.features).shape == (len(examples.truth), 2)


def test_the_card_says_how_long_automl_searched_and_what_it_chose(
    figures: dict[str, object],
) -> None:
    found = copy.deepcopy(figures)
    for trials, question in enumerate(found["questions"].values(), 3):  # type: ignore[attr-defined]
        chosen = {"fold 0": {"learner": "lgbm", "trials": trials}}
        question["heads"]["automl"] = question["heads"]["logistic"] | {"chosen": chosen}
    found["automl_seconds"] = 600
    said = tables(found)[-1]
    assert "10 minutes" in said
    assert "2 searches (3 to 4 trials each; chosen: lgbm 2)" in said


def test_a_run_hands_each_network_only_what_it_may_be_judged_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer of each network is its number, so that one sees whose answer stands where."""
    inputs = made_up(18, signal=1.0, fewer=5)
    plan = all_fittings(inputs.rows, (), settings)

    def answered(number: int, rows: tuple[Row, ...]) -> Logits:
        values = np.tile(np.float32([number, -99, 0]), (len(rows), 1))
        return Logits(rows, values.reshape(len(rows), 3))

    answers = {
        one.name: Answers(one, None, answered(number, one.judged), answered(number, one.beside))
        for number, one in enumerate(plan)
    }
    pictures = np.zeros((len(inputs.rows), 1, 1), np.uint8)
    crops = Crops(pictures, pictures, pictures, inputs.rows, ())
    given: dict[str, object] = {}

    def compare(own: Inputs, fine_tuned: dict[str, Scores], *_: object) -> dict[str, object]:
        given.update(inputs=own, covid=fine_tuned["covid"])
        return {}

    monkeypatch.setattr(heads_run, "compare_heads", compare)
    monkeypatch.setattr(heads_run, "frozen_features", lambda *_: inputs.features)
    heads_run.heads_of_run(answers, crops, settings, None, tmp_path)
    own, scores = given["inputs"], given["covid"]
    assert isinstance(own, Inputs)
    assert isinstance(scores, Scores)
    covid = questions(own, settings.target)[0]
    found = checked(FINE_TUNED, scores, covid, own)
    names = [one.name for one in plan]
    for row, score in zip(own.rows, found.out_of_fold, strict=True):
        if not row.child:
            name = SERVED if row.fold == settings.folds.held_out else f"fold-{row.fold}"
            assert score == pytest.approx(names.index(name), abs=1e-6)
    assert len(found.unseen) == sum(bool(one.left_out) for one in plan) == 3
    judged = np.isfinite(found.unseen["without ieee8023"].scores)
    said = found.unseen["without ieee8023"].scores[judged]
    assert said == pytest.approx(names.index("without-ieee8023"), abs=1e-6)
    assert set(own.sources[judged]) == {"ieee8023"}
    # Weights: adults only, every source and class by its share of the draws.
    children = np.array([row.child for row in own.rows])
    assert own.weights[children].sum() == 0
    assert own.weights.sum() == pytest.approx(1)
