"""Tables, groups and folds; none of this needs TensorFlow."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest

from tests.training.conftest import MODEL_FOLDER, REPOSITORY
from training.chest_xray.protocol import SERVED, Fitting, all_fittings, without
from training.chest_xray.settings import Settings, load_settings
from training.chest_xray.table import Row, checksum, load_table
from training.errors import SettingsError, TableError

SHARED = REPOSITORY.parent / "shared" / "data"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(MODEL_FOLDER / "training.toml")


def row(group: str, fold: int, **changes: object) -> Row:
    plain = Row(f"{group}-{fold}.png", "nih", "normal", group, fold, False, False, "", "")
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


FIVE = tuple(row(f"g{fold}", fold) for fold in range(5))


def plan_of(*more: Row, article: tuple[Row, ...] = (), settings: Settings) -> dict[str, Fitting]:
    return {one.name: one for one in all_fittings(FIVE + more, article, settings)}


def test_the_held_out_fold_trains_no_network(settings: Settings) -> None:
    plan = plan_of(row("i", 0, source="ieee8023"), settings=settings)
    held_out = settings.folds.held_out
    assert all(r.fold != held_out for one in plan.values() for r in one.training)
    assert {r.fold for r in plan[SERVED].judged} == {held_out}
    assert len(plan) == 1 + 4 + 2


def test_every_image_is_answered_once_by_a_network_that_its_fold_did_not_train(
    settings: Settings,
) -> None:
    plan = plan_of(row("i", 0, source="ieee8023"), settings=settings)
    known = [one for one in plan.values() if not one.left_out]
    judged = [r.path for one in known for r in one.judged]
    assert sorted(judged) == sorted({r.path for one in plan.values() for r in one.judged})
    for one in known:
        assert not {r.fold for r in one.training} & {r.fold for r in one.judged}


def test_nih_and_rsna_are_left_out_together(settings: Settings) -> None:
    others = (row("r", 1, source="rsna_normal"), row("i", 0, source="ieee8023"))
    plan = plan_of(*others, settings=settings)
    one = plan["without-nih-rsna_normal"]
    assert {r.source for r in one.training} == {"ieee8023"}
    assert {r.source for r in one.judged} == {"nih", "rsna_normal"}


def test_a_copy_of_an_unseen_image_in_another_source_does_not_train(settings: Settings) -> None:
    copies = (row("x", 1, source="ieee8023"), row("x", 1, source="armiro"))
    plan = plan_of(*copies, settings=settings)
    assert "x" not in {r.group for r in plan["without-ieee8023"].training}
    assert "x" in {r.group for r in plan["without-nih-rsna_normal"].training}


def test_images_of_the_articles_patients_train_nothing(settings: Settings) -> None:
    shared = tuple(row(f"s{f}", f, article_overlap=True) for f in range(5))
    article = (row("s0", -1), row("s3", -1))
    plan = plan_of(*shared, row("i", 0, source="ieee8023"), article=article, settings=settings)
    for one in plan.values():
        assert not {r.group for r in one.training} & {r.group for r in article}
    assert {r.path for r in article} <= {r.path for r in plan[SERVED].judged}


def test_a_group_of_the_article_that_is_not_marked_stops_the_run(settings: Settings) -> None:
    with pytest.raises(TableError, match="cut: \\['g1'\\]"):
        plan_of(article=(row("g1", -1),), settings=settings)


def test_a_network_that_would_judge_nothing_is_refused() -> None:
    with pytest.raises(TableError, match="without-armiro must have images"):
        without(("armiro",), FIVE, FIVE)


def test_a_table_whose_group_lies_in_two_folds_is_refused(data: Path, tmp_path: Path) -> None:
    with (data / "cxr.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["group"] = rows[-1]["group"]
    with (tmp_path / "cxr.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(TableError, match="a group must lie in one fold"):
        load_table(tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"must hold cxr\.csv"):
        load_table(tmp_path)


def test_the_checksum_changes_with_an_image(data: Path, tmp_path: Path) -> None:
    rows = load_table(data)[:1]
    for name in ("cxr.csv", rows[0].path, rows[0].lung_mask):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((data / name).read_bytes())
    before = checksum(tmp_path, rows)
    assert before == checksum(tmp_path, rows)
    with (tmp_path / rows[0].path).open("ab") as file:
        file.write(b"x")
    assert checksum(tmp_path, rows) != before


def test_settings_name_what_is_missing_and_what_is_unknown(tmp_path: Path) -> None:
    text = (MODEL_FOLDER / "training.toml").read_text("utf-8")
    path = tmp_path / "training.toml"
    path.write_text(text.replace("dropout = 0.3", ""), "utf-8")
    with pytest.raises(SettingsError, match=r"must set \[classifier\] dropout"):
        load_settings(path)
    path.write_text(text.replace("dropout = 0.3", "dropout = 0.3\nluck = 1"), "utf-8")
    with pytest.raises(SettingsError, match=r"must not set \[classifier\] luck"):
        load_settings(path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
def test_no_network_of_the_real_tables_judges_a_group_that_trained_it(settings: Settings) -> None:
    rows, article = load_table(SHARED), load_table(SHARED, "article.csv")
    plan = all_fittings(rows, article, settings)
    for one in plan:  # looked at here again, not only where they are planned
        judged = {r.group for r in one.judged + one.beside}
        assert not judged & {r.group for r in one.training}
    assert len(plan[0].training) > 4500
