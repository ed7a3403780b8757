"""The figures of a run as tables in the model card, so that card and weights cannot disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.chest_xray.evaluation import Figures
from training.errors import ExportError

BEGIN = "<!-- figures: written by training, do not edit -->"
END = "<!-- end of figures -->"


def update_card(card: Path, figures: Figures, trained: dict[str, Any]) -> None:
    """Replace what stands between the two markers.

    Raises
    ------
    ExportError
        If the card lacks a marker.
    """
    text = card.read_text("utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ExportError(f"the model card must have {BEGIN!r} and {END!r} once each")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    tables = "\n\n".join(_sections(figures, trained))
    card.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", "utf-8")


def _sections(figures: Figures, trained: dict[str, Any]) -> list[str]:
    point = trained["operating_point"]
    return [
        f"Operating point: positive at a probability of {point['threshold']:.3f} or more "
        f"(temperature {point['temperature']:.2f}, fitted for a prevalence of "
        f"{point['prevalence']:.2f}; {point['images']} images of adults of the choices fold). "
        "Brackets: 95 % interval over groups. n: images / groups.",
        "**Held-out fold, adults**",
        _table(_HEAD, [("all sources", figures["held_out"]["adults"]), *_within(figures)]),
        "**Held-out fold, called Covid-19 at the operating point**",
        _called(figures["held_out"]),
        "**Other questions, held-out fold**",
        _others(figures["held_out"]),
        "**Sources left out of training altogether** (all their adult images, threshold "
        "chosen without them)",
        _table(_HEAD, [_left_out(part) for part in figures["left_out"]]),
        "**What is told without the lungs** (area under the curve, held-out adults)",
        _probe(figures["probe"]),
        "**The article's images** (all its Covid-19 images are adults, all others children)",
        _article(figures),
        "**Lung finder**",
        _lung_finder(figures),
    ]


_HEAD = ("", "AUC", "sensitivity", "specificity")


def _within(figures: Figures) -> list[tuple[str, Figures]]:
    return sorted(figures["held_out"]["within_source"].items())


def _left_out(part: Figures) -> tuple[str, Figures]:
    return f"{' + '.join(part['left_out'])} ({part['epochs']} epochs)", part["adults"]


def _figure(found: dict[str, Any]) -> str:
    if found["value"] is None:
        return "–"
    return (
        f"{found['value']:.2f} [{found['low']:.2f}, {found['high']:.2f}], "
        f"n {found['images']} / {found['groups']}"
    )


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _table(head: tuple[str, ...], rows: list[tuple[str, Figures]]) -> str:
    keys = ("auc", "sensitivity", "specificity")
    return _rows(head, [(name, *(_figure(found[key]) for key in keys)) for name, found in rows])


def _called(part: Figures) -> str:
    cells = sorted(part["called_covid"].items())
    return _rows(("source and class", "share"), [(name, _figure(f)) for name, f in cells])


def _others(part: Figures) -> str:
    names = {
        "healthy_adults_called_covid": "healthy adults (nih, rsna_normal) called Covid-19",
        "children_called_covid": "children called Covid-19 (they are refused where age is known)",
        "nih_pneumonia_against_normal": "AUC pneumonia against normal inside nih (mined labels)",
        "nih_opacity_by_radiologists": "AUC the same by radiologists' labels (RSNA 2018)",
    }
    return _rows(("", "figure"), [(text, _figure(part[key])) for key, text in names.items()])


def _probe(probe: Figures) -> str:
    head = ("picture", "frozen features, fitted anew", "inside ieee8023", "this network")
    names = {"as_it_is": "as it is", "lungs_blanked": "lungs blanked", "outline_only": "outline"}
    rows = []
    for key, name in names.items():
        frozen, own = probe[key]["frozen_features"], probe[key]["trained_network"]
        areas = (frozen["adults_auc"], frozen["ieee8023_auc"], own["adults_auc"])
        rows.append((name, *(_figure(area) for area in areas)))
    return _rows(head, rows)


def _article(figures: Figures) -> str:
    head = ("", "right class", "Covid-19 found", "others called Covid-19")
    keys = ("right_class", "covid_found", "others_called_covid")
    parts = {"its test folder": "article_test", "all its images": "article_all"}
    return _rows(
        head,
        [(name, *(_figure(figures[p][key]) for key in keys)) for name, p in parts.items()],
    )


def _lung_finder(figures: Figures) -> str:
    dice = ", ".join(f"{s} {d:.3f}" for s, d in sorted(figures["lung_finder_dice"].items()))
    refused, images = len(figures["refused_without_lungs"]), sum(figures["images"].values())
    return (
        f"Mean Dice coefficient on the held-out fold: {dice}. Refused for want of plausible lungs: "
        f"{refused} of {images} chest images."
    )
