"""The hospital's images at its start: demo studies, and the folder of ``--images``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from flask import Flask

from sandbox.dicomweb.imaging import Imaging
from sandbox.errors import FhirProblem
from sandbox.images.demo import demo_images
from sandbox.images.demo_studies import DEMO_STUDIES
from sandbox.images.filing import file_images, is_filed
from sandbox.images.folder_import import import_folder
from sandbox.images.patients import identity_of

if TYPE_CHECKING:
    from sandbox.hospital import Hospital
    from sandbox.images.demo import DemoStudy

log = logging.getLogger(__name__)


def seed(app: Flask, imaging: Imaging) -> None:
    """Put the demo studies and the folder's pictures into archive and record."""
    settings = cast("Hospital", app.extensions["sandbox"]).settings
    if settings.demo_records:
        for study in DEMO_STUDIES:
            _seed_study(imaging, study)
    if settings.images_dir is not None:
        imaging.imported.extend(import_folder(imaging, settings.images_dir))


def _seed_study(imaging: Imaging, study: DemoStudy) -> None:
    if is_filed(imaging, study.patient, study.identity.uid):
        return
    try:
        patient = identity_of(imaging.record.fhir.read("Patient", study.patient))
    except FhirProblem:
        log.warning("demo study %s left out: its patient is not in the record", study.resource_id)
        return
    images = demo_images(study, patient)
    if images:
        file_images(imaging, images, patient, study.resource_id)
