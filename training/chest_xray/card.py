"""The figures of a run as tables in the model card, so that card and weights cannot disagree."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.chest_xray import (
    children_figures,
    extent_figures,
    heads_tables,
    novelty,
    occlusion,
    orientation_figures,
    plots,
    refusals,
)
from training.chest_xray.evaluation import Figures
from training.chest_xray.goals import goals_table
from training.chest_xray.trials_table import trials_table
from training.errors import ExportError
from training.markdown import counted, table

BEGIN = "<!-- figures: written by training, do not edit -->"
END = "<!-- end of figures -->"
_HEAD = ("", "AUC", "sensitivity", "specificity")


def update_card(folder: Path) -> None:
    """Write the figures of a model folder between the two markers of its card.

    Raises
    ------
    ExportError
        If the card lacks a marker.
    """
    card = folder / "MODEL_CARD.md"
    text = card.read_text("utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ExportError(f"the model card must have {BEGIN!r} and {END!r} once each")
    figures, trained = (
        json.loads((folder / name).read_text("utf-8")) for name in ("figures.json", "trained.json")
    )
    kept = folder / "trials.json"
    trials = json.loads(kept.read_text("utf-8")) if kept.exists() else None
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    tables = "\n\n".join([*_sections(figures, trained, trials), *plots.paragraphs(folder)])
    card.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", "utf-8")


def _sections(
    figures: Figures, trained: dict[str, Any], trials: dict[str, Any] | None
) -> list[str]:
    tried = ["### What was tried against shortcuts", trials_table(trials)] if trials else []
    return [
        "Brackets: 95 % interval over groups. n: images / groups. Sensitivity and specificity are "
        "those of the balanced operating point.",
        "### Goals that were set beforehand",
        goals_table(figures),
        "### Sources that the answering network had never seen",
        "All their adult images; nih and rsna_normal count as one source. Images of groups with a "
        "copy in the source left out did not train either.",
        _table(_HEAD, [(_names(part), part["adults"]) for part in figures["left_out"]]),
        _unseen(figures["left_out"]),
        "### Operating points",
        _points(figures, trained),
        _calibration(figures["calibration"]),
        "### Out of fold: every adult image, answered by a network that its fold did not train",
        _table(_HEAD, _parts(figures["out_of_fold"])),
        "By view (AP: front to back, standing or lying)",
        _table(_HEAD, sorted(figures["out_of_fold"]["by_view"].items())),
        "### Held-out fold, opened once: the served network",
        _table(_HEAD, _parts(figures["held_out"])),
        "Called Covid-19 at the balanced point",
        _called(figures["held_out"]),
        "Other questions",
        _others(figures["held_out"]),
        "### What is told without the lungs (held-out adults)",
        _probe(figures["probe"]),
        _source_told(figures["probe"]["source_told"]),
        *tried,
        "### The map",
        *occlusion.tables(figures["occlusion"]),
        "### Refusals",
        *refusals.tables(figures.get("refusals", {})),
        *orientation_figures.tables(figures["orientation"]),
        *novelty.tables(figures["novelty"]),
        "### Radiographic extent",
        *extent_figures.tables(figures["extent"]),
        "### Bacterial against viral pneumonia in children",
        *children_figures.tables(figures["children"]),
        "### Heads compared",
        *heads_tables.tables(figures["heads"]),
        "### The article's images",
        "All its Covid-19 images are adults, all others children; none of their groups trained.",
        _article(figures),
        "### Lung finder",
        _lung_finder(figures),
    ]


def _names(part: Figures) -> str:
    return " + ".join(part["left_out"])


def _parts(part: Figures) -> list[tuple[str, Figures]]:
    return [("all sources", part["adults"]), *sorted(part["within_source"].items())]


def _table(head: tuple[str, ...], rows: list[tuple[str, Figures]]) -> str:
    keys = ("auc", "sensitivity", "specificity")
    return table(head, [(name, *(counted(found[key]) for key in keys)) for name, found in rows])


def _unseen(left_out: list[Figures]) -> str:
    head = ("left out", *(_names(part) for part in left_out))
    lines: dict[str, Callable[[Figures], Figures | None]] = {
        "AUC against known Covid-19 images": lambda p: p["against_known_covid"]["auc"],
        "specificity where sensitivity is 0.80": lambda p: p["specificity_at"].get("0.80"),
        "specificity where sensitivity is 0.90": lambda p: p["specificity_at"].get("0.90"),
        "healthy adults called Covid-19": lambda p: p["healthy_adults_called_covid"],
        "other lung disease called Covid-19": lambda p: p["others_called_covid"],
        "AUC of its score for opaque against clear lungs": lambda p: p["score_follows_opacity"],
    }
    rows = [(name, *(counted(look(p)) for p in left_out)) for name, look in lines.items()]
    return table(head, rows)


def _points(figures: Figures, trained: dict[str, Any]) -> str:
    rows = [
        (
            point["name"].replace("_", "-"),
            f"{point['threshold']:.3f}",
            counted(point["sensitivity"]),
            counted(point["specificity"]),
        )
        for point in figures["operating_points"]
    ]
    return (
        f"Probabilities are given for a prevalence of {trained['reference_prevalence']:.2f}. "
        "Thresholds were chosen, and are measured here, on sources that the answering network had "
        "not seen: chosen on the folds that train, measured on the held-out fold.\n\n"
        + table(("point", "probability at or above", "sensitivity", "specificity"), rows)
    )


def _calibration(found: Figures) -> str:
    errors = found["expected_error"]
    return (
        f"Calibration: slope {found['slope']:.2f}, intercept {found['intercept']:.2f}, fitted on "
        f"{found['images']} images of unseen sources. Expected calibration error there "
        f"{errors['fitted']:.3f}, on unseen sources in the held-out fold "
        f"{errors['held_out_fold']:.3f}."
    )


def _called(part: Figures) -> str:
    cells = sorted(part["called_covid"].items())
    return table(("source and class", "share"), [(name, counted(f)) for name, f in cells])


def _others(part: Figures) -> str:
    names = {
        "healthy_adults_called_covid": "healthy adults (nih, rsna_normal) called Covid-19",
        "children_called_covid": "children called Covid-19 (they are refused where age is known)",
        "nih_pneumonia_against_normal": "AUC pneumonia against normal inside nih (mined labels)",
        "nih_opacity_by_radiologists": "AUC the same by radiologists' labels (RSNA 2018)",
    }
    return table(("", "figure"), [(text, counted(part[key])) for key, text in names.items()])


def _probe(probe: Figures) -> str:
    head = ("picture", "this network", "inside ieee8023", "frozen features, fitted anew")
    names = {
        "as_it_is": "as it is",
        "frame_of_another": "lungs in the frame of another class",
        "lungs_blanked": "lungs blanked",
        "outline_only": "outline",
    }
    rows = []
    for key, name in names.items():
        own, frozen = probe[key]["trained_network"], probe[key].get("frozen_features")
        anew = counted(frozen and frozen["adults_auc"])
        rows.append((name, counted(own["adults_auc"]), counted(own["ieee8023_auc"]), anew))
    return "Areas under the curve.\n\n" + table(head, rows)


def _source_told(found: Figures) -> str:
    rows = [
        (label, f"{one['balanced_accuracy']:.2f}", f"{one['guessing']:.2f}")
        for label, one in sorted(found.items())
    ]
    return (
        "How well the trained features still tell the source among pictures of one class "
        "(balanced accuracy)\n\n" + table(("class", "told", "guessing"), rows)
    )


def _article(figures: Figures) -> str:
    head = ("", "right class", "Covid-19 found", "others called Covid-19")
    keys = ("right_class", "covid_found", "others_called_covid")
    parts = {"its test folder": "article_test", "all its images": "article_all"}
    return table(
        head,
        [(name, *(counted(figures[p][key]) for key in keys)) for name, p in parts.items()],
    )


def _lung_finder(figures: Figures) -> str:
    dice = ", ".join(f"{s} {d:.3f}" for s, d in sorted(figures["lung_finder_dice"].items()))
    refused = len(figures["refused_without_lungs"])
    return (
        f"Mean Dice coefficient on the held-out fold: {dice}. Refused for want of plausible lungs: "
        f"{refused} of all chest images."
    )
