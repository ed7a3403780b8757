"""Open a study in the page: find, fetch, check identity, draw. The reading reuses the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference import rendering
from plugin.imaging.cache import make_private, write_private
from plugin.imaging.imaging_study import Study
from plugin.imaging.patient_check import CheckedPatient, check_patient, identity_rules
from plugin.imaging.studies import find_study
from plugin.launching.launches import OpenLaunch
from plugin.reporting.result import view_label
from plugin.steps import Progress
from plugin.workbench import SHOWN_PIXELS, Workbench

if TYPE_CHECKING:
    from inference.images import Image


@dataclass(frozen=True)
class OpenedStudy:
    """What the page shows of an opened study; plain JSON values."""

    study: dict[str, Any]
    images: list[dict[str, Any]]


def open_study(
    launch: OpenLaunch, study_id: str, bench: Workbench, progress: Progress
) -> OpenedStudy:
    """Make the pictures of a study that belongs to the launch's patient.

    Raises
    ------
    PluginError, SmartError, InferenceError
        Each with a code and a sentence for the user; then no picture is shown.
    """
    patient, rules = launch.context.require_patient(), identity_rules(launch.ehr)

    with progress.step("find_study"):
        study = find_study(bench.record, patient, study_id, bench.archives, bench.modalities)

    with progress.step("fetch_images"):
        fetched = bench.fetch(study)

    with progress.step("check_identity"):
        checked = check_patient(bench.record, rules, patient, study, fetched.facts)

    with progress.step("draw_images"):
        return OpenedStudy(study_json(study), _draw(bench, bench.decode(fetched), checked))


def study_json(study: Study) -> dict[str, Any]:
    """Give a study for the page."""
    return {
        "id": study.id,
        "uid": study.uid,
        "title": study.title,
        "started": study.started,
        "modalities": list(study.modalities),
        "body_part": study.body_part,
        "accession": study.accession,
        "series": len(study.series),
        "instances": study.images,
    }


def _draw(
    bench: Workbench, images: Sequence[Image], checked: CheckedPatient
) -> list[dict[str, Any]]:
    make_private(bench.folder)
    drawn = []
    for number, image in enumerate(images, 1):
        write_private(bench.folder / f"{number}.jpg", rendering.display_jpeg(image, SHOWN_PIXELS))
        values = rendering.display_values(image, SHOWN_PIXELS)
        write_private(bench.folder / f"{number}.values", values.data)
        drawn.append(
            _describe(number, image, checked)
            | {
                "values": {
                    "rows": values.rows,
                    "columns": values.columns,
                    "window_centre": values.window_centre,
                    "window_width": values.window_width,
                    "inverted": values.inverted,
                }
            }
        )
    return drawn


def _describe(number: int, image: Image, checked: CheckedPatient) -> dict[str, Any]:
    facts = image.facts
    rows, columns = image.pixels.shape
    return {
        "number": number,
        "view": facts.view_position if facts else None,
        "view_label": view_label(facts.view_position) if facts else None,
        "acquired": facts.acquired if facts else None,
        "age": facts.patient_age_years if facts else None,
        "rows": rows,
        "columns": columns,
        "frames": image.frames,
        "identity": checked.check.outcome,
    }
