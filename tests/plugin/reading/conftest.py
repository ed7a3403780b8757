"""A hospital with one patient and one real DICOM study, and a worker's workshop that knows it."""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from inference.images import Offered
from inference.model_facts import ModelFacts
from inference.prediction import ModelIdentity, Prediction
from plugin.database import Database
from plugin.ehrs import Ehr
from plugin.imaging.cache import ImageCache
from plugin.imaging.warm_images import WarmImages
from plugin.jobs.job_runner import JobRunner
from plugin.jobs.leases import Leases
from plugin.launching.keys import SecretKeys
from plugin.launching.launches import OpenLaunch
from plugin.logs import JsonLines
from plugin.readings import FAILED, Opening, Reading
from plugin.scopes import DEFAULT_SCOPES
from plugin.services import Services, build_services
from plugin.settings import Settings
from plugin.workbench import Workbench, Workshop
from smart_launch.context import LaunchContext
from smart_launch.http import Http, HttpLimits
from smart_launch.id_token import Identity
from smart_launch.launch import CompletedLaunch
from smart_launch.token import TokenResponse
from tests.plugin.reading.hospital import Hospital
from tests.plugin.reading.samples import (
    FACTS,
    IDENTITY,
    IMAGE_UID,
    MRN,
    SERIES_UID,
    STUDY_UID,
    endpoint,
    imaging_study,
)

PATIENT = {
    "resourceType": "Patient",
    "id": "clark-dan",
    "identifier": [{"system": MRN, "value": "H-1001", "type": {"text": "MRN"}}],
    "name": [{"family": "Clark", "given": ["Dan"]}],
    "gender": "male",
    "birthDate": "1930-10-19",
}


CHEST_FACTS = replace(FACTS, name="chest_xray")


@dataclass(frozen=True)
class BrightnessModel:
    """Stands in for a network: its probability is the mean brightness of the first image."""

    facts: ModelFacts = CHEST_FACTS
    identity: ModelIdentity = IDENTITY

    def read(self, images: Sequence[Offered]) -> Prediction:
        with images[0].opened() as image:
            probability = float(image.pixels.mean())
        return Prediction(
            "ok",
            self.identity,
            probability=probability,
            positive=probability >= 0.5,
            classes={"covid": probability, "normal": 1 - probability},
            heat_map=np.full((2, 2), 0.5, np.float32),
        )


def dicom_file(**changes: Any) -> bytes:
    """A small chest radiograph of the sample patient."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = changes.get("SOPInstanceUID", IMAGE_UID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    values: dict[str, Any] = {
        "SOPClassUID": ComputedRadiographyImageStorage,
        "SOPInstanceUID": IMAGE_UID,
        "StudyInstanceUID": STUDY_UID,
        "SeriesInstanceUID": SERIES_UID,
        "PatientID": "H-1001",
        "IssuerOfPatientID": "HOSPITAL",
        "PatientName": "CLARK^DAN",
        "PatientBirthDate": "19301019",
        "PatientSex": "M",
        "PatientAge": "089Y",
        "Modality": "CR",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "Rows": 240,
        "Columns": 200,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelData": np.linspace(0, 4095, 48000).astype("<u2").tobytes(),
    }
    for name, value in (values | changes).items():
        if value is not None:
            setattr(dataset, name, value)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def furnish(hospital: Hospital) -> None:
    """Put the sample patient, study, archive and image into a hospital."""
    hospital.add(PATIENT)
    hospital.add(endpoint("pacs", f"{hospital.origin}/dicomweb"))
    study = imaging_study(endpoint=[{"reference": "Endpoint/pacs"}])
    hospital.add({k: v for k, v in study.items() if k != "contained"})
    hospital.images[(STUDY_UID, SERIES_UID, IMAGE_UID)] = dicom_file()


@pytest.fixture
def hospital() -> Iterator[Hospital]:
    with Hospital() as running:
        furnish(running)
        yield running


def make_ehr(hospital: Hospital, **changes: Any) -> Ehr:
    values: dict[str, Any] = {
        "id": "north",
        "name": "North Hospital",
        "issuer": hospital.issuer,
        "client_id": "wetread",
        "patient_id_systems": {"HOSPITAL": MRN},
        "write": "transaction-put",
        "redirect_uri": "http://127.0.0.1:8081/callback/north",
    }
    return Ehr(**values | changes)


@pytest.fixture
def ehr_changes() -> dict[str, Any]:
    """What a test wants different about the EHR; override with parametrize."""
    return {}


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with all tables: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("database") / "wetread.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    return path


@pytest.fixture(scope="session")
def own_keys() -> str:
    """Wetread's secret keys: making them takes longer than most tests."""
    return SecretKeys.generate().dump()


@pytest.fixture
def settings(
    hospital: Hospital,
    tmp_path: Path,
    ehr_changes: dict[str, Any],
    migrated: Path,
    own_keys: str,
) -> Settings:
    # What has no transactions has no batches either, in this mode and not in the others.
    hospital.takes_batches = ehr_changes.get("write") != "put"
    data = tmp_path / "wetread"
    data.mkdir(mode=0o700)
    shutil.copy(migrated, data / "wetread.sqlite3")
    return Settings(
        base_url="http://127.0.0.1:8081",
        data_dir=data,
        secret_keys=own_keys,
        ehrs=(make_ehr(hospital, **ehr_changes),),
        http_timeout_s=1.0,
    )


@pytest.fixture
def services(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    # The copied database has its tables; Alembic would take longer than the test.
    monkeypatch.setattr(Database, "upgrade", lambda _: None)
    built = build_services(settings)
    limits = HttpLimits(connect_s=1, read_s=0.5, total_s=2, backoff_s=0.01, retry_after_s=0.1)
    yield replace(built, http=Http(limits))
    built.database.close()


@pytest.fixture
def shop(services: Services) -> Workshop:
    limits = HttpLimits(connect_s=1, read_s=0.5, total_s=2, backoff_s=0.01, retry_after_s=0.1)
    model: Any = BrightnessModel()
    return Workshop(
        services=services,
        models={"chest_xray": model},
        cache=ImageCache(services.settings.data_dir),
        warm=WarmImages(),
        pacs_http=Http(limits),
    )


def open_launch(services: Services, **changes: Any) -> tuple[str, str]:
    """Open a launch as the callback does; gives its id and its handle."""
    values: dict[str, Any] = {
        "patient": "clark-dan",
        "encounter": None,
        "fhir_user": f"{services.settings.ehrs[0].issuer}/Practitioner/p1",
    }
    scopes = changes.pop("granted", DEFAULT_SCOPES)
    token = changes.pop("token", "token-0")
    refresh = changes.pop("refresh", None)
    subject = changes.pop("subject", "p1")
    issuer = services.settings.ehrs[0].issuer
    completed = CompletedLaunch(
        tokens=TokenResponse(token, 300, " ".join(scopes), refresh_token=refresh),
        context=LaunchContext(**(values | changes)),
        identity=Identity(issuer, subject) if subject else None,
        granted=tuple(scopes),
        missing=(),
    )
    return services.launches.open(services.settings.ehrs[0], completed)


@pytest.fixture
def launch(services: Services) -> OpenLaunch:
    return services.launches.get(open_launch(services)[0])


@pytest.fixture
def bench(shop: Workshop, launch: OpenLaunch) -> Workbench:
    return shop.bench_for(launch, "study-1")


@dataclass
class Jobs:
    """Runs jobs as the worker does, without a queue between."""

    runner: JobRunner
    sent: list[tuple[str, float]]

    def ask(self, launch: OpenLaunch, study: str = "study-1") -> str:
        row = Reading(**_columns(launch, study), user_key=launch.user_key)
        return self.runner.readings.add(row, nudge_s=30, limit=4)[0]

    def ask_opening(self, launch: OpenLaunch, study: str = "study-1") -> str:
        row = Opening(**_columns(launch, study))
        return self.runner.openings.add(row, nudge_s=30, limit=4)[0]

    def read(self, launch: OpenLaunch, study: str = "study-1") -> Reading:
        """Ask for a reading and run it until it needs no more tries."""
        row_id = self.ask(launch, study)
        self.run(row_id)
        return self.row(row_id)

    def run(self, row_id: str) -> None:
        self.sent.append((row_id, 0.0))
        while self.sent:
            self.runner.read(self.sent.pop(0)[0])

    def row(self, row_id: str) -> Reading:
        found = self.runner.readings.get(row_id)
        assert found is not None
        return found


def _columns(launch: OpenLaunch, study: str) -> dict[str, Any]:
    return {
        "launch_id": launch.id,
        "ehr_id": launch.ehr.id,
        "issuer": launch.ehr.issuer,
        "patient": launch.context.require_patient(),
        "study_id": study,
        "open_key": f"{launch.id}/{study}",
        "steps": [],
    }


@pytest.fixture
def jobs(shop: Workshop) -> Jobs:
    sent: list[tuple[str, float]] = []

    def resend(row_id: str, delay_s: float) -> None:
        sent.append((row_id, delay_s))

    return Jobs(JobRunner(shop, Leases(30.0), resend, resend), sent)


MODES = pytest.mark.parametrize(
    "ehr_changes", [{"write": "transaction-put"}, {"write": "put"}, {"write": "create"}], ids=str
)


def assert_stopped_cleanly(row: Reading, hospital: Hospital, code: str | None = None) -> None:
    """Failed, in words, with a next step, without the patient; nothing written."""
    assert row.state == FAILED
    assert row.problem is not None
    if code is not None:
        assert row.problem["code"] == code
    assert all(row.problem[part] for part in ("title", "text", "next_step"))
    assert "CLARK" not in json.dumps(row.problem)
    assert "H-1001" not in json.dumps(row.problem)
    assert row.result is None
    assert row.open_key is None
    for kind in ("DiagnosticReport", "Observation", "Provenance"):
        assert not hospital.of_type(kind)


@pytest.fixture(autouse=True)
def clean_log(caplog: pytest.LogCaptureFixture) -> Any:
    """No line of any test may hold patient data."""
    caplog.set_level(logging.INFO)
    yield
    for record in caplog.records:
        line = JsonLines().format(record)
        for secret in ("CLARK", "Clark", "H-1001", "1930-10-19", "token-0", "<html>"):
            assert secret not in line
