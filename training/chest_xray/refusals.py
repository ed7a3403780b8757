"""What the whole reading path refuses, and which of its gates does it.

The served model reads every picture exactly as it would in a hospital: header, pixels, orientation,
lung box, distance. Proper chest X-rays of the held-out fold show what the gates cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inference.images import DicomFacts, Image
from inference.model import Model
from training.chest_xray.orientation_pictures import MADE, faulty
from training.chest_xray.strangers import Stranger, as_picture
from training.chest_xray.table import Row, read_pixels
from training.intervals import rate
from training.markdown import counted, table

Figures = dict[str, Any]
# Number of this part in the seeds of the run.
_PART = 33
_EACH_SOURCE = 200
_EACH_FAULT = 40
_CHILDREN = 200
# Years that a header may state for a child of the children's set (it has children of 1 to 5).
_CHILD_YEARS = 4.0
# Which gate gives which reason; what is not named is the header's.
_GATES = {
    "colour_image": "pixels", "too_small": "pixels", "blank_image": "pixels",
    "looks_turned": "orientation", "looks_mirrored": "orientation",
    "looks_inverted": "orientation",
    "no_contrast": "lung box", "no_lungs": "lung box", "lungs_uncertain": "lung box",
    "unlike_training": "distance", "map_outside_organ": "map outside the lungs",
}  # fmt: skip
GATES = ("header", "pixels", "orientation", "lung box", "distance", "map outside the lungs")


@dataclass(frozen=True)
class Case:
    """One picture for the reading path.

    Attributes
    ----------
    table, kind : str
        Part and line of the table.
    group : str
        Images of one group are resampled together.
    image : Image
        As it is offered to the model.
    """

    table: str
    kind: str
    group: str
    image: Image


def cases(
    rows: tuple[Row, ...], data: Path, others: Iterable[Stranger], least_side: int, seed: int
) -> Iterator[Case]:
    """Proper images of these rows, their faults, their children; and all strangers.

    Parameters
    ----------
    rows : tuple of Row
        Images that no network was trained on (the held-out fold).
    data : pathlib.Path
        The data folder.
    others : iterable of Stranger
        See ``strangers.strangers``.
    least_side : int
        The model's smallest shorter side: strangers are enlarged to it.
    seed : int
        Of the run.
    """
    rng = np.random.default_rng([seed, _PART])
    adults = [row for row in rows if not row.child]
    for source in sorted({row.source for row in adults}):
        own = [row for row in adults if row.source == source]
        for place, number in enumerate(rng.permutation(len(own))[:_EACH_SOURCE]):
            row = own[int(number)]
            pixels = read_pixels(data / row.path)
            yield Case("proper", source, row.group, as_picture(pixels, least_side))
            if place < _EACH_FAULT:
                for name, fault in MADE.items():
                    wrong = as_picture(faulty(pixels, *fault), least_side)
                    yield Case("faults", name.replace("_", " "), row.group, wrong)
    yield from _children([row for row in rows if row.child], data, least_side, rng)
    yield from _strangers(others, least_side)


def _children(
    rows: list[Row], data: Path, least_side: int, rng: np.random.Generator
) -> Iterator[Case]:
    for number in rng.permutation(len(rows))[:_CHILDREN]:
        row = rows[int(number)]
        image = as_picture(read_pixels(data / row.path), least_side)
        yield Case("children", "children, age unknown", row.group, image)
        facts = DicomFacts(
            modality="DX", body_part="CHEST", view_position="AP", patient_age_years=_CHILD_YEARS
        )
        known = replace(image, source="dicom", facts=facts)
        yield Case("children", "children, age in the header", row.group, known)


def _strangers(others: Iterable[Stranger], least_side: int) -> Iterator[Case]:
    for one in others:
        image = as_picture(one.pixels, least_side)
        yield Case("strangers", one.kind, one.group, image)
        if one.facts is not None:
            headed = replace(image, source="dicom", facts=one.facts)
            yield Case("headers", one.kind, one.group, headed)


def refusal_figures(model: Model, offered: Iterable[Case], times: int, seed: int) -> Figures:
    """Read every case with the model and count the refusals.

    Parameters
    ----------
    model : Model
        The published model, with all its gates.
    offered : iterable of Case
        See :func:`cases`.
    times, seed : int
        Resamples of groups behind each interval, and their seed.

    Returns
    -------
    dict
        Table -> kind -> ``refused`` (interval) and ``by`` (gate -> share of all images; a gate
        counts only where it was the first to refuse).
    """
    found: dict[tuple[str, str], list[tuple[str, str | None]]] = {}
    for case in offered:
        prediction = model.read([case.image])
        gate = None
        if prediction.status == "cannot_read":
            gate = _GATES.get(prediction.reasons[0].code, "header")
        found.setdefault((case.table, case.kind), []).append((case.group, gate))
    figures: Figures = {}
    for (part, kind), answers in found.items():
        figures.setdefault(part, {})[kind] = _counted(answers, times, seed)
    return figures


def _counted(answers: list[tuple[str, str | None]], times: int, seed: int) -> Figures:
    groups = np.array([group for group, _ in answers])
    gates = np.array([gate or "" for _, gate in answers])
    by = {gate: round(float((gates == gate).mean()), 4) for gate in GATES if gate in gates}
    return {"refused": rate(gates != "", groups, times, seed).as_json(), "by": by}


_TITLES = {
    "proper": "**Refused although proper** (adult chest X-rays of the held-out fold, by source)",
    "faults": "**Chest X-rays that lie wrong** (made from proper ones of all sources)",
    "children": "**Children** (the model is not made for them)",
    "strangers": "**No frontal chest X-ray** (as pictures: grey, without header, enlarged)",
    "headers": "**The same with their DICOM header**",
}


def tables(figures: Figures) -> list[str]:
    """Markdown for the model card."""
    parts: list[str] = []
    if not figures:
        return parts
    for key, title in _TITLES.items():
        if lines := figures.get(key):
            parts += [title, _table(lines)]
    parts.append(
        "No real lateral view is in the public sets used: lateral and oblique views are computed "
        "from a CT. Where n is small, as for X-rays of other parts, a rate proves little."
    )
    return parts


def _table(lines: Figures) -> str:
    rows = [
        (kind, counted(one["refused"]), _gates(one["by"])) for kind, one in sorted(lines.items())
    ]
    return table(("", "refused", "first refused by"), rows)


def _gates(by: Figures) -> str:
    return ", ".join(f"{gate} {100 * share:.0f} %" for gate, share in by.items()) or "–"
