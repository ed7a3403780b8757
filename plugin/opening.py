"""Open a study in the page: find, fetch, check identity, draw. The reading reuses the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference import rendering
from plugin.imaging.cache import make_private, write_private
from plugin.imaging.identity import IdentityCheck
from plugin.imaging.imaging_study import study_json
from plugin.imaging.patient_check import CheckedPatient, check_patient, identity_rules
from plugin.imaging.studies import find_study
from plugin.imaging.study_images import FetchedStudy
from plugin.imaging.warm_images import StudyImage
from plugin.launching.launches import OpenLaunch
from plugin.reporting.image_read import valid_uid
from plugin.reporting.result import view_label
from plugin.steps import Progress
from plugin.workbench import SHOWN_PIXELS, Workbench

if TYPE_CHECKING:
    from inference.images import DicomFacts, Image


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
        study = find_study(bench.record, patient, study_id, bench.archives, bench.modalities).study

    with progress.step("fetch_images"):
        fetched = bench.fetch(study)

    with progress.step("check_identity"):
        # No second look follows, as it does before a report: so the chart's own Patient is read.
        checked = check_patient(bench.record, rules, patient, study, fetched.facts, {})

    with progress.step("draw_images"):
        images = bench.images(fetched, checked.resource.get("birthDate"), study.started)
        return OpenedStudy(study_json(study), _draw(bench, fetched, images, checked))


def _draw(
    bench: Workbench, fetched: FetchedStudy, images: Sequence[StudyImage], checked: CheckedPatient
) -> list[dict[str, Any]]:
    """Draw one image at a time, into a folder of these files: an older opening keeps its own."""
    folder = bench.pictures(fetched)
    make_private(folder)
    # The cache deletes what nobody has written to for long.
    bench.folder.touch()
    drawn_from = {"drawn_from": fetched.mark}
    return [
        _draw_one(folder, number, one, checked) | drawn_from for number, one in enumerate(images, 1)
    ]


def _draw_one(
    folder: Path, number: int, one: StudyImage, checked: CheckedPatient
) -> dict[str, Any]:
    """Draw an image and describe it; when this returns, nothing holds its pixels any more."""
    with one.opened() as image:
        described = _describe(number, image, one.facts, checked)
        return described | {"values": _write_pictures(folder, number, image)}


def _write_pictures(folder: Path, number: int, image: Image) -> dict[str, Any]:
    """Write picture and grey values; gives what the page must know of the values."""
    write_private(folder / f"{number}.jpg", rendering.display_jpeg(image, SHOWN_PIXELS))
    values = rendering.display_values(image, SHOWN_PIXELS)
    write_private(folder / f"{number}.values", values.data)
    return {
        "rows": values.rows,
        "columns": values.columns,
        "window_centre": values.window_centre,
        "window_width": values.window_width,
        "inverted": values.inverted,
    }


def _describe(
    number: int, image: Image, facts: DicomFacts, checked: CheckedPatient
) -> dict[str, Any]:
    rows, columns = image.pixels.shape
    return {
        "number": number,
        "sop_instance_uid": valid_uid(facts.sop_instance_uid),
        "view": facts.view_position,
        "view_label": view_label(facts.view_position),
        "left_edge": facts.left_edge,
        "acquired": facts.acquired,
        "age": facts.patient_age_years,
        "rows": rows,
        "columns": columns,
        "frames": image.frames,
        "identity": _identity(checked.check),
    }


def _identity(check: IdentityCheck) -> str:
    """Say how well it is known whose images these are, in one word for the page."""
    return "sex_differs" if check.sex_differs else check.outcome
