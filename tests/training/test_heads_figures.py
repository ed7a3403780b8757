"""The comparison of heads as a whole: figures, table, plot, AutoML, the run."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.made_up_heads import (
    FOLDS,
    PLAIN,
    compared,
    few_resamples,
    made_up,
)
from training.chest_xray import heads_run
from training.chest_xray.answers import Answers, Logits
from training.chest_xray.crops import Crops
from training.chest_xray.heads import FINE_TUNED, STACKED
from training.chest_xray.heads_estimators import (
    Chosen,
    Examples,
    automl,
    fit,
    log_odds,
    xgboost,
)
from training.chest_xray.heads_plot import plot_heads
from training.chest_xray.heads_questions import Inputs, parts, questions
from training.chest_xray.heads_scores import (
    Scores,
    Unseen,
    checked,
    frozen_scores,
    own_fold,
)
from training.chest_xray.heads_tables import tables
from training.chest_xray.protocol import SERVED, all_fittings
from training.chest_xray.settings import Settings
from training.chest_xray.table import Row
from training.errors import TableError

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def settings() -> Settings:
    return few_resamples()


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
