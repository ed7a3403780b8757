"""The hospital asks a CDS service for cards (CDS Hooks 2.0): what it sends, how long it waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.server import RunningSandbox
from tests.sandbox.cds_service import CdsService, card, client_of, running_service, service
from tests.sandbox.conftest import open_hospital
from tests.sandbox.smart_client import FhirSession, observation
from tests.sandbox_imaging.browserless import Viewer

SCOPES = "launch openid patient/Patient.r patient/ImagingStudy.rs patient/Observation.crus"
BUDGET_S = 5.0  # Long enough for a busy machine.


@pytest.fixture(scope="module")
def shared_service() -> Iterator[CdsService]:
    with running_service() as running:
        yield running


@pytest.fixture
def cds(shared_service: CdsService) -> CdsService:
    """The service, with the answers that it has at first."""
    root = shared_service.root
    shared_service.__init__(root=root)  # type: ignore[misc]
    return shared_service


@pytest.fixture(scope="module")
def hospital(
    shared_service: CdsService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSandbox]:
    folder = tmp_path_factory.mktemp("cds")
    clients = (client_of(shared_service, SCOPES),)
    with open_hospital(folder, clients=clients, cds_budget_s=BUDGET_S) as running:
        yield running


@pytest.fixture
def viewer(hospital: RunningSandbox) -> Viewer:
    # What one test's service said of itself must not be remembered for the next.
    hospital.app.extensions["sandbox"].cds._known.clear()
    return Viewer(hospital)


def cards_of(viewer: Viewer, patient: str = "clark-dan") -> dict[str, Any]:
    answer = viewer.get(f"/viewer/patients/{patient}/cards")
    assert answer.status_code == 200
    return answer.json()


def test_call_says_which_chart_is_open(
    hospital: RunningSandbox, viewer: Viewer, cds: CdsService
) -> None:
    assert "One study is unread" in cards_of(viewer)["cards"]
    (asked,) = cds.asked
    body = asked["body"]
    assert asked["path"] == "/cds-services/chest"
    assert body["hook"] == "patient-view"
    assert body["fhirServer"] == hospital.fhir_base
    assert body["context"] == {"userId": "Practitioner/demo-radiologist", "patientId": "clark-dan"}
    assert body["prefetch"]["patient"]["id"] == "clark-dan"
    kinds = [e["resource"]["resourceType"] for e in body["prefetch"]["studies"]["entry"]]
    assert kinds == ["ImagingStudy", "Patient"]


def test_call_is_signed_for_this_service_and_once(
    hospital: RunningSandbox, viewer: Viewer, cds: CdsService
) -> None:
    cards_of(viewer)
    cards_of(viewer)
    keys = requests.get(hospital.settings.cds_jwks_url, timeout=10).json()
    assert "d" not in keys["keys"][0]
    tokens = []
    for asked in cds.asked:
        scheme, _, compact = asked["headers"]["authorization"].partition(" ")
        assert scheme == "Bearer"
        tokens.append(jwt.decode(compact, KeySet.import_key_set(keys), algorithms=["ES384"]))
    first, second = tokens
    assert first.header["typ"] == "JWT"
    assert first.header["kid"] == keys["keys"][0]["kid"]
    assert first.header["jku"] == hospital.settings.cds_jwks_url
    assert first.claims["iss"] == hospital.base_url
    assert first.claims["aud"] == f"{cds.root}/chest"
    assert 0 < first.claims["exp"] - first.claims["iat"] <= 300
    assert first.claims["jti"] != second.claims["jti"]
    hooks = {asked["body"]["hookInstance"] for asked in cds.asked}
    assert len(hooks) == 2


def test_key_of_calls_signs_no_id_tokens(hospital: RunningSandbox) -> None:
    ours = requests.get(hospital.settings.cds_jwks_url, timeout=10).json()["keys"]
    others = requests.get(f"{hospital.base_url}/auth/jwks", timeout=10).json()["keys"]
    assert ours[0]["kid"] != others[0]["kid"]


def test_token_of_a_call_reads_this_patient_and_writes_nothing(
    hospital: RunningSandbox, viewer: Viewer, cds: CdsService
) -> None:
    cards_of(viewer)
    given = cds.asked[0]["body"]["fhirAuthorization"]
    assert (given["subject"], given["patient"]) == ("chest-app", "clark-dan")
    assert given["expires_in"] <= 300
    assert set(given["scope"].split()) == {
        "patient/Patient.r",
        "patient/ImagingStudy.rs",
        "patient/Observation.rs",
    }
    fhir = FhirSession(hospital, given["access_token"])
    assert fhir.get("/Patient/clark-dan").status_code == 200
    assert fhir.get("/Patient/mayer-rosa").status_code == 403
    assert fhir.send("POST", "/Observation", observation()).status_code == 403


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ("Patient/{{context.patientId}}", True),
        ("Patient/{{ context.patientId }}", True),
        ("Observation?patient={{context.patientId}}&_count=1", True),
        ("Patient/mayer-rosa", False),
        ("ImagingStudy?patient=mayer-rosa", False),
        ("Encounter/clark-dan-visit", False),
        ("Practitioner/{{userPractitionerId}}", False),
        ("Observation?unknown=1", False),
        ("Patient/{{context.encounterId}}", False),
        ("{{context.patientId}}", False),
        ("../metadata", False),
    ],
)
def test_prefetch_holds_what_the_client_may_read_and_nothing_else(
    viewer: Viewer, cds: CdsService, template: str, given: bool
) -> None:
    cds.services = [service(prefetch={"wanted": template})]
    cards_of(viewer)
    assert ("wanted" in cds.asked[0]["body"]["prefetch"]) is given


def test_record_that_is_not_there_is_null(viewer: Viewer, cds: CdsService) -> None:
    cds.services = [service(prefetch={"gone": "ImagingStudy/nowhere"})]
    cards_of(viewer)
    assert cds.asked[0]["body"]["prefetch"] == {"gone": None}


def test_services_are_looked_up_once(viewer: Viewer, cds: CdsService) -> None:
    for patient in ("clark-dan", "mayer-rosa"):
        cards_of(viewer, patient)
    assert cds.discoveries == 1
    assert [asked["body"]["context"]["patientId"] for asked in cds.asked] == [
        "clark-dan",
        "mayer-rosa",
    ]


def test_services_of_other_hooks_are_not_called(viewer: Viewer, cds: CdsService) -> None:
    cds.services = [service(id="other", hook="order-select"), service(prefetch=None)]
    cards_of(viewer)
    assert [asked["path"] for asked in cds.asked] == ["/cds-services/chest"]


@pytest.mark.parametrize(
    "services",
    [
        None,
        "chest",
        [None],
        [service(id="../auth/token")],
        [service(id=None)],
        [service(), service()],
        [service(description=None)],
        [service(prefetch=["Patient/x"])],
        [service(prefetch={"a": 1})],
    ],
)
def test_wrong_discovery_shows_nothing_and_is_said(
    viewer: Viewer, cds: CdsService, services: Any
) -> None:
    cds.services = services
    found = cards_of(viewer)
    assert (found["cards"], len(found["problems"]), cds.asked) == ("", 1, [])


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 401},
        {"status": 302},
        {"kind": "text/html"},
        {"body": b"{"},
        {"body": b"[]"},
        {"body": b"[" * 50_000},
        {"body": b'{"cards": "' + b"x" * 300_000 + b'"}'},
        {"cards": None},
        {"cards": [card() for _ in range(11)]},
    ],
)
def test_broken_answers_show_nothing_and_are_said(
    viewer: Viewer, cds: CdsService, answer: dict[str, Any]
) -> None:
    for name, value in answer.items():
        setattr(cds, name, value)
    found = cards_of(viewer)
    assert (found["cards"], len(found["problems"]), len(cds.asked)) == ("", 1, 1)


@pytest.mark.parametrize("answer", [{"delay_s": 3.0}, {"drip": True}])
def test_slow_service_is_given_up(tmp_path: Path, cds: CdsService, answer: dict[str, Any]) -> None:
    for name, value in answer.items():
        setattr(cds, name, value)
    with open_hospital(tmp_path, clients=(client_of(cds, SCOPES),), cds_budget_s=0.4) as hospital:
        viewer = Viewer(hospital)
        began = time.monotonic()
        found = cards_of(viewer)
        waited_s = time.monotonic() - began
    assert waited_s < 2  # The whole answer would take three.
    assert found == {"cards": "", "problems": ["the service did not answer in time"]}


def test_service_that_is_not_there_leaves_the_chart_whole(tmp_path: Path) -> None:
    with running_service() as gone:
        client = client_of(gone, SCOPES)
    with open_hospital(tmp_path, clients=(client,)) as hospital:
        viewer = Viewer(hospital)
        assert cards_of(viewer)["cards"] == ""
        page = viewer.get("/patients/clark-dan")
    assert page.status_code == 200
    assert "CLARK" in page.text


def test_chart_page_itself_asks_no_service(viewer: Viewer, cds: CdsService) -> None:
    assert viewer.get("/patients/clark-dan").status_code == 200
    assert (cds.discoveries, cds.asked) == (0, [])


def test_cards_are_for_the_viewers_own_pages(hospital: RunningSandbox, viewer: Viewer) -> None:
    path = "/viewer/patients/clark-dan/cards"
    assert requests.get(f"{hospital.base_url}{path}", timeout=10).status_code == 401
    assert viewer.get(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert viewer.get("/viewer/patients/nobody/cards").status_code == 404
