"""Tables, groups and folds; none of this needs TensorFlow."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest

from tests.training.conftest import MODEL_FOLDER, REPOSITORY
from training.chest_xray.settings import Settings, load_settings
from training.chest_xray.splits import split_by_group
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


def test_the_held_out_fold_and_the_fold_for_choices_never_train(settings: Settings) -> None:
    split = split_by_group(FIVE, (), settings)
    assert {r.fold for r in split.training} == {0, 1, 2}
    assert {r.fold for r in split.choices} == {settings.folds.choices}
    assert {r.fold for r in split.held_out} == {settings.folds.held_out}


def test_the_same_table_gives_the_same_split(settings: Settings) -> None:
    assert split_by_group(FIVE, (), settings) == split_by_group(FIVE, (), settings)


def test_images_of_the_articles_patients_neither_train_nor_decide(settings: Settings) -> None:
    shared = tuple(row(f"s{f}", f, article_overlap=True) for f in range(5))
    article = (row("s0", -1), row("s3", -1))
    split = split_by_group(FIVE + shared, article, settings)
    used = {r.group for r in split.training + split.choices}
    assert not used & {r.group for r in article}


def test_a_group_of_the_article_that_is_not_marked_stops_the_run(settings: Settings) -> None:
    with pytest.raises(TableError, match="cut: \\['g1'\\]"):
        split_by_group(FIVE, (row("g1", -1),), settings)


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
def test_the_real_tables_split_without_cutting_a_group(settings: Settings) -> None:
    rows, article = load_table(SHARED), load_table(SHARED, "article.csv")
    split = split_by_group(rows, article, settings)
    parts = [split.training, split.choices, split.held_out]
    groups = [{r.group for r in part} for part in parts]
    assert not groups[0] & groups[1]
    assert not (groups[0] | groups[1]) & (groups[2] | {r.group for r in article})
    assert sum(map(len, parts)) > 6000
