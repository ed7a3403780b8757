"""Three heads on frozen features; each chooses its parameters inside the images that train it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]
LOGISTIC, XGBOOST, AUTOML = "logistic", "xgboost", "automl"
_PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1)
_DEPTHS = (2, 4)
# What FLAML may choose from; its own default without learners that are not installed here.
_LEARNERS = ("lgbm", "xgboost", "extra_tree", "rf", "lrl1")


@dataclass(frozen=True)
class Examples:
    """Images that train.

    Attributes
    ----------
    features : numpy.ndarray
        float32, shape (images, features).
    truth : numpy.ndarray
        bool, shape (images,).
    weights : numpy.ndarray
        float64, shape (images,), mean 1.
    folds : numpy.ndarray
        int64, shape (images,): parameters are chosen by leaving out one after the other; whole
        groups lie in them.
    """

    features: NDArray[np.float32]
    truth: NDArray[np.bool_]
    weights: Floats
    folds: NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """An unfitted pipeline (``scale``, ``head``) and what was chosen for it."""

    pipeline: Pipeline
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of head.

    Attributes
    ----------
    name : str
        ``"logistic"``, ``"xgboost"`` or ``"automl"``.
    search : callable
        Examples -> what was chosen by looking at them alone.
    options : dict
        What the result depends on besides the examples, as JSON.
    """

    name: str
    search: Callable[[Examples], Chosen]
    options: dict[str, Any] = field(default_factory=dict)


def kinds(seed: int, automl_seconds: float) -> tuple[Kind, ...]:
    """The three kinds.

    Parameters
    ----------
    seed : int
        For the learners' own draws.
    automl_seconds : float
        FLAML's time for one search. Equal seeds and equal times do not give equal choices: how
        far a search comes depends on the machine.
    """
    options = {"seed": seed}
    return (
        Kind(LOGISTIC, logistic),
        Kind(XGBOOST, lambda examples: xgboost(examples, seed), options),
        Kind(
            AUTOML,
            lambda examples: automl(examples, seed, automl_seconds),
            options | {"seconds": automl_seconds},
        ),
    )


def logistic(examples: Examples) -> Chosen:
    """Logistic regression; how strongly it is held back is chosen."""
    candidates = [{"C": penalty} for penalty in _PENALTIES]
    return _best(lambda p: LogisticRegression(max_iter=1000, **p), candidates, examples)


def xgboost(examples: Examples, seed: int) -> Chosen:
    """Boosted trees; their depth is chosen. A tenth of the features for each tree: they are many
    and alike, and it is ten times quicker.
    """
    from xgboost import XGBClassifier

    fixed = {"n_estimators": 200, "learning_rate": 0.1, "subsample": 0.8, "max_bin": 64}
    fixed |= {"colsample_bytree": 0.1, "n_jobs": 1, "random_state": seed}
    candidates = [{"max_depth": depth} for depth in _DEPTHS]
    return _best(lambda p: XGBClassifier(**fixed, **p), candidates, examples)


def automl(examples: Examples, seed: int, seconds: float) -> Chosen:
    """Learner and parameters searched by FLAML (Wang 2021) for some seconds, one thread.

    ``trials`` tells how far the search came; 0: the clock ended it before its first trial, and
    FLAML's first candidate is taken as it is.
    """
    search, trials = _flaml(examples, seed, time_budget=seconds)
    if search.model is None:
        search, trials = _flaml(examples, seed, time_budget=-1, max_iter=1)
    parameters = {"learner": search.best_estimator, "trials": trials}
    return Chosen(_pipeline(clone(search.model.estimator)), parameters | _plain(search.best_config))


def _flaml(examples: Examples, seed: int, **limits: float) -> tuple[Any, int]:
    """A finished search and its number of trials."""
    from flaml import AutoML

    search = AutoML()
    with TemporaryDirectory() as folder:
        log_file = Path(folder) / "trials.jsonl"
        search.fit(
            X_train=StandardScaler().fit_transform(examples.features),
            y_train=examples.truth.astype(int),
            sample_weight=examples.weights,
            task="classification",
            metric="roc_auc",
            eval_method="cv",
            # As many folds as there are: FLAML's splits are then exactly the table's.
            split_type="group",
            groups=examples.folds,
            n_splits=len(np.unique(examples.folds)),
            estimator_list=list(_LEARNERS),
            n_jobs=1,
            seed=seed,
            verbose=0,
            log_file_name=str(log_file),
            log_type="all",
            **limits,
        )
        records = log_file.read_text("utf-8").splitlines() if log_file.exists() else []
    return search, sum("validation_loss" in line for line in records)


def fit(chosen: Chosen, examples: Examples) -> Pipeline:
    """Fit a fresh copy on all examples."""
    pipeline = clone(chosen.pipeline)
    return pipeline.fit(
        examples.features, examples.truth.astype(int), head__sample_weight=examples.weights
    )


def log_odds(probabilities: NDArray[np.floating[Any]]) -> Floats:
    """Log-odds of the second column of (images, 2); a probability of 0 or 1 stays finite."""
    yes = np.clip(np.asarray(probabilities[:, 1], np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(yes) - np.log1p(-yes))


def inner_scores(chosen: Chosen, examples: Examples) -> Floats:
    """Log-odds of each example by a copy that was fitted without its fold."""
    found = cross_val_predict(
        chosen.pipeline,
        examples.features,
        examples.truth.astype(int),
        cv=PredefinedSplit(examples.folds),
        method="predict_proba",
        params={"head__sample_weight": examples.weights},
    )
    return log_odds(found)


def _best(
    build: Callable[[dict[str, Any]], Any], candidates: Iterable[dict[str, Any]], examples: Examples
) -> Chosen:
    built = [Chosen(_pipeline(build(parameters)), parameters) for parameters in candidates]

    def area(one: Chosen) -> float:
        found = inner_scores(one, examples)
        return float(roc_auc_score(examples.truth, found, sample_weight=examples.weights))

    return max(built, key=area)


def _pipeline(head: Any) -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("head", head)])


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """NumPy's numbers and strings as Python's, for JSON."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
