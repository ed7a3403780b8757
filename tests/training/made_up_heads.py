"""Made-up features with a known signal, and what the tests of heads ask of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tests.training.conftest import MODEL_FOLDER
from training.chest_xray.heads import compare_heads
from training.chest_xray.heads_estimators import (
    Chosen,
    Examples,
    Kind,
)
from training.chest_xray.heads_questions import Inputs, questions
from training.chest_xray.heads_scores import (
    frozen_scores,
)
from training.chest_xray.heads_settings import HeadsSettings
from training.chest_xray.settings import Report, Settings, load_settings
from training.chest_xray.table import Row

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


def few_resamples() -> Settings:
    """The model's settings; intervals of forty resamples are enough here."""
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
    settings = dataclasses.replace(settings, heads=HeadsSettings(1))
    return compare_heads(inputs, settings=settings, work=work, **options)  # type: ignore[arg-type]


def area(head: Kind, inputs: Inputs, settings: Settings, work: Path) -> float:
    covid = questions(inputs, settings.target)[0]
    found = frozen_scores(head, covid, inputs, work).out_of_fold
    return float(roc_auc_score(covid.truth[covid.asked], found[covid.asked]))
