"""The comparison of heads for the model card: one table and what must be said with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training.chest_xray.heads_estimators import AUTOML
from training.chest_xray.heads_figures import AIMED_SENSITIVITY, Figures
from training.markdown import estimate, table

NAMES = {
    "logistic": "logistic regression",
    "xgboost": "XGBoost",
    "automl": "AutoML (FLAML)",
    "fine_tuned": "fine-tuned",
    "stacked": "stacked",
}
_QUESTIONS = {
    "covid": "Covid-19, adults",
    "bacterial": "bacterial against viral, children (kermany)",
}


@dataclass(frozen=True)
class Measure:
    """One line of the comparison.

    Attributes
    ----------
    question, words : str
        What was asked, and which figure it is.
    by_head : dict of str to dict
        Head -> ``Interval.as_json()``; heads without this figure are missing.
    area : bool
        An area under the curve, where 0.5 is chance.
    """

    question: str
    words: str
    by_head: dict[str, Figures]
    area: bool = False


def measures(figures: Figures) -> list[Measure]:
    """Every line of the comparison, in the order of the card."""
    return [one for key, found in figures["questions"].items() for one in _of_question(key, found)]


def heads_in(figures: Figures) -> list[str]:
    """The heads that were compared, in order."""
    return list(next(iter(figures["questions"].values()))["heads"])


def tables(figures: Figures) -> list[str]:
    """Markdown for the model card.

    Parameters
    ----------
    figures : dict
        What ``heads.compare_heads`` returned.

    Returns
    -------
    list of str
        Paragraphs and one table.
    """
    heads = heads_in(figures)
    lines = []
    for measure in measures(figures):
        first = f"{measure.question}: {measure.words}, n {_counts(measure)}"
        lines.append((first, *(estimate(measure.by_head.get(head)) for head in heads)))
    return [
        "**Heads compared** (the same prepared images and folds; out of fold, brackets: 95 % "
        "interval over groups, n: images / groups). Logistic regression, XGBoost and AutoML see "
        "ImageNet features as they were before any fine-tuning. Most sources show one class "
        "only, so the figure for all sources ranks heads by how well they tell sources apart; the "
        "lines within a source and on unseen sources are the ones to compare.",
        table(("", *(NAMES[head] for head in heads)), lines),
        *_notes(figures),
    ]


def _of_question(key: str, found: Figures) -> Iterator[Measure]:
    heads, question = found["heads"], _QUESTIONS[key]
    first = heads[found["compared_with"]]

    def line(words: str, *path: str, area: bool = False) -> Measure:
        picked = {name: _at(head, path) for name, head in heads.items()}
        kept = {name: one for name, one in picked.items() if one is not None}
        return Measure(question, words, kept, area)

    everywhere = "AUC, all sources" if len(first["specificity"]) > 1 else "AUC"
    yield line(everywhere, "auc", area=True)
    for source in first["within"]:
        yield line(f"AUC inside {source}", "within", source, area=True)
    yield line("sensitivity", "sensitivity")
    for source in first["specificity"]:
        yield line(f"specificity in {source}", "specificity", source)
    for name in first["unseen"]:
        where = f"unseen {name.removeprefix('without ')}"
        aimed = f"{where}, specificity at sensitivity {AIMED_SENSITIVITY:.2f} on the same images"
        yield line(f"{where}, AUC", "unseen", name, "auc", area=True)
        yield line(aimed, "unseen", name, "specificity_at_sensitivity")
        yield line(f"{where}, sensitivity", "unseen", name, "sensitivity")
        yield line(f"{where}, specificity", "unseen", name, "specificity")
    for part in first["gain"]:
        where = "" if part == "auc" else f" inside {part}"
        yield line(f"AUC{where} minus that of {NAMES[found['compared_with']]}", "gain", part)


def _at(head: Figures, path: tuple[str, ...]) -> Figures | None:
    found: Any = head
    for key in path:
        found = found.get(key)
        if found is None:
            return None
    return dict(found)


def _counts(measure: Measure) -> str:
    counted = next(iter(measure.by_head.values()))
    return f"{counted['images']} / {counted['groups']}"


def _notes(figures: Figures) -> list[str]:
    notes = [
        "Sensitivity and specificity stand at the threshold at which both were equal on the other "
        "folds, for an unseen source on the images that trained. Where unseen sources show "
        "few images of one class, that class comes from the held-out fold. Stacked: logistic "
        "regression over the other heads' answers, its weights from the other folds alone; it is "
        "not made for unseen sources, because its heads would have to leave out each fold as well.",
    ]
    heads = [found["heads"] for found in figures["questions"].values()]
    if all(AUTOML in found for found in heads):
        chosen = [one for found in heads for one in found[AUTOML]["chosen"].values()]
        picked = Counter(one["learner"] for one in chosen)
        trials = sorted(one["trials"] for one in chosen)
        learners = ", ".join(f"{name} {times}" for name, times in picked.most_common())
        notes.append(
            f"AutoML had {figures['automl_seconds'] / 60:.0f} minutes of one thread in all, shared "
            f"equally by {len(chosen)} searches ({trials[0]} to {trials[-1]} trials each; chosen: "
            f"{learners}). A search that ends by the clock cannot be repeated exactly, not even "
            "with the same seed: an idle or faster machine tries more."
        )
    return notes
