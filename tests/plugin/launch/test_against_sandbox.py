"""A whole Wetread against the strict demo hospital: keys that change, tokens that end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import requests

from inference.images import Offered
from inference.prediction import Prediction
from plugin.errors import LaunchExpired
from plugin.imaging.cache import ImageCache
from plugin.imaging.warm_images import WarmImages
from plugin.jobs.job_runner import JobRunner
from plugin.jobs.leases import Leases
from plugin.jobs.sweep import resume_awaiting
from plugin.launching.keys import SecretKeys
from plugin.launching.launches import OpenLaunch
from plugin.readings import AWAITING_LAUNCH, DONE, Reading
from plugin.record import Record
from plugin.workbench import Workshop
from smart_launch.client_keys import KeySet
from smart_launch.errors import FhirUnauthorized, TokenRejected
from smart_launch.fhir_client import FhirClient
from smart_launch.http import Http
from smart_launch.introspection import introspect
from tests.plugin.launch.wetread_at_sandbox import WetreadAtSandbox
from tests.plugin.reading.conftest import BrightnessModel

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def keys() -> SecretKeys:
    # One algorithm: the other's key would be rotated in the same way, only slower.
    return replace(SecretKeys.generate(), signing=KeySet.generate("ES384"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, keys: SecretKeys) -> Iterator[WetreadAtSandbox]:
    folder = tmp_path_factory.mktemp("house")
    with WetreadAtSandbox(folder, keys).running() as running:
        yield running


@pytest.fixture
def at(house: WetreadAtSandbox) -> WetreadAtSandbox:
    """The house, with nothing noted yet."""
    house.wire.sent.clear()
    return house


def served_kids(at: WetreadAtSandbox) -> list[str]:
    answer = requests.get(f"{at.base_url}/.well-known/jwks.json", timeout=10)
    return [key["kid"] for key in answer.json()["keys"]]


def hour_passes(at: WetreadAtSandbox) -> None:
    """The hospital fetches Wetread's keys again, as it does after a while."""
    at.hospital.app.extensions["sandbox"].assertions._keys.clear()


def test_the_hospital_takes_the_old_key_and_the_new_one_through_a_rotation(
    at: WetreadAtSandbox, keys: SecretKeys
) -> None:
    old = keys.signing.keys[0].kid
    at.open()
    assert {one.kid for one in at.wire.at("/auth/token")} == {old}

    before = at.services
    published = keys.published()
    new = published.signing.keys[1].kid
    at.start(published)
    assert served_kids(at) == [old, new]
    launch = at.open_launch()  # opened before the new key signs, prolonged after
    assert at.wire.at("/auth/token")[-1].kid == old

    at.start(published.signed_by_newest())
    assert served_kids(at) == [new, old]
    with pytest.raises(TokenRejected, match="invalid_client"):
        # Too soon: the hospital has not looked again. Therefore `wetread keys` asks for a pause.
        at.services.backend_tokens.access_token("north")
    hour_passes(at)
    at.open()
    assert at.wire.at("/auth/token")[-1].kid == new
    # Another process that has not been started again yet still signs with the old key.
    assert before.backend_tokens.access_token("north")
    assert at.wire.at("/auth/token")[-1].kid == old
    token = at.services.tokens.access_token(launch.id)
    assert at.services.tokens.access_token(launch.id, rejected=token) != token
    assert at.wire.at("/auth/token")[-1].kid == new

    at.start(published.signed_by_newest().without_retired(frozenset({keys.vault[0].id})))
    assert served_kids(at) == [new]
    at.open()
    assert at.wire.at("/auth/token")[-1].kid == new
    hour_passes(at)
    kept = before.backend_tokens.access_token("north")
    with pytest.raises(TokenRejected, match="invalid_client"):
        before.backend_tokens.access_token("north", rejected=kept)
    before.database.close()


def test_the_end_of_a_launch_revokes_both_tokens_and_they_are_dead(at: WetreadAtSandbox) -> None:
    handle = at.open()
    launch = at.services.launches.by_handle(handle)
    record = Record(at.services.tokens, launch.id, at.hospital.fhir_base, at.services.http)
    assert record.read("Patient", "clark-dan")["id"] == "clark-dan"
    token = record.token()
    ended = at.app.test_client().post("/api/launch/end", headers={"Wetread-Handle": handle})
    assert ended.status_code == 204
    revoked = at.wire.at("/auth/revoke")
    assert [one.form["token_type_hint"] for one in revoked] == ["refresh_token", "access_token"]
    assert revoked[1].form["token"] == token
    # Each proof is for one request: the hospital refuses a second use of an assertion.
    assert len({one.form["client_assertion"] for one in revoked}) == 2
    assert not any(one.authorization for one in revoked)
    with pytest.raises(FhirUnauthorized):
        FhirClient(at.hospital.fhir_base, token).read("Patient", "clark-dan")
    told = introspect(
        at.services.http,
        launch.ehr.registration(at.services.settings.jwks_url),
        at.services.configurations.get(launch.ehr.issuer),
        token=token,
        keys=at.services.keys.signing,
    )
    assert told is not None
    assert not told.active


def test_the_token_of_each_launch_is_introspected_with_the_apps_own_proof(
    at: WetreadAtSandbox,
) -> None:
    at.open()
    (asked,) = at.wire.at("/auth/introspect")
    assert asked.form["token_type_hint"] == "access_token"
    assert asked.form["client_assertion"] != at.wire.at("/auth/token")[0].form["client_assertion"]


def test_the_style_banner_intent_and_study_of_the_chart_reach_the_page(
    at: WetreadAtSandbox,
) -> None:
    handle = at.open(
        study="clark-dan-chest-xray", intent="an-intent-of-tomorrow", need_patient_banner=False
    )
    client, own = at.app.test_client(), {"Wetread-Handle": handle}
    launch = client.get("/api/launch", headers=own).get_json()
    assert launch["study"] == "clark-dan-chest-xray"
    assert launch["intent"] == "an-intent-of-tomorrow"
    assert launch["need_patient_banner"] is False
    wishes = client.get(launch["style"], headers=own).get_json()
    assert wishes["color_background"].startswith("#")
    assert wishes["dim_border_radius"] >= 0
    (asked,) = [one for one in at.wire.sent if one.path.startswith("/auth/style/")]
    assert asked.authorization is None


@pytest.mark.parametrize(
    ("told", "study"),
    [
        ('{"study": "clark-dan-chest-xray"}', "clark-dan-chest-xray"),
        ('{"study": "mayer-rosa-chest-xray"}', "mayer-rosa-chest-xray"),
        ("whatever", None),
    ],
)
def test_the_app_context_of_a_card_is_a_wish_and_its_subject_is_checked(
    at: WetreadAtSandbox, told: str, study: str | None
) -> None:
    handle = at.open(app_context=told)
    client, own = at.app.test_client(), {"Wetread-Handle": handle}
    assert client.get("/api/launch", headers=own).get_json()["study"] == study
    listed = client.get("/api/studies", headers=own).get_json()["studies"]
    # What the page may open: the patient's own studies, whatever a link says.
    assert [entry["id"] for entry in listed] == ["clark-dan-chest-xray"]


def tokens_until_the_end(at: WetreadAtSandbox, launch_id: str) -> Iterator[str]:
    """Ask every now and then, as jobs do."""
    for _ in range(100):
        yield at.services.tokens.access_token(launch_id)
        time.sleep(0.2)


def test_a_sign_in_is_prolonged_as_long_as_the_hospital_allows_and_no_longer(
    tmp_path: Any, keys: SecretKeys
) -> None:
    life_s = 6
    made = WetreadAtSandbox(tmp_path, keys, access_token_s=2, refresh_token_s=life_s)
    with made.running() as at:
        launch, began = at.open_launch(), time.monotonic()
        given: set[str] = set()
        with pytest.raises(LaunchExpired):
            given.update(tokens_until_the_end(at, launch.id))
        assert time.monotonic() - began >= life_s - 1
        assert len(given) >= 3
        used = [one.form.get("refresh_token") for one in at.wire.at("/auth/token")[1:]]
        assert len(set(used)) == len(used)  # a refresh token that has been used never comes again
        refused = len(used)
        with pytest.raises(LaunchExpired):
            at.services.tokens.access_token(launch.id)
        assert len(at.wire.at("/auth/token")) == 1 + refused


class SlowModel(BrightnessModel):
    """Takes its time, until the sign-in has run out."""

    pauses_s: ClassVar[list[float]] = []

    def read(self, images: Sequence[Offered]) -> Prediction:
        time.sleep(self.pauses_s.pop() if self.pauses_s else 0.0)
        return super().read(images)


def job_runner(at: WetreadAtSandbox, model: BrightnessModel) -> JobRunner:
    installed: Any = model
    shop = Workshop(
        services=at.services,
        models={"chest_xray": installed},
        cache=ImageCache(at.services.settings.data_dir),
        warm=WarmImages(),
        pacs_http=Http(),
    )
    return JobRunner(shop, Leases(30.0), lambda *_: None, lambda *_: None)


def asked(runner: JobRunner, launch: OpenLaunch) -> str:
    row = Reading(
        launch_id=launch.id,
        ehr_id=launch.ehr.id,
        issuer=launch.ehr.issuer,
        patient=launch.context.require_patient(),
        study_id="clark-dan-chest-xray",
        user_key=launch.user_key,
        open_key=f"{launch.id}/study",
        steps=[],
    )
    return runner.readings.add(row, nudge_s=30, limit=4)[0]


def reports_of(at: WetreadAtSandbox) -> list[Any]:
    record = Record(
        at.services.tokens, at.open_launch().id, at.hospital.fhir_base, at.services.http
    )
    found = record.search("DiagnosticReport", {"subject": "Patient/clark-dan"})
    return [one for one in found if one["status"] == "preliminary"]


def test_a_reading_that_outlives_the_sign_in_waits_and_is_written_at_the_next_one(
    tmp_path: Any, keys: SecretKeys
) -> None:
    made = WetreadAtSandbox(tmp_path, keys, access_token_s=4, refresh_token_s=6)
    with made.running() as at:
        launch = at.open_launch()
        SlowModel.pauses_s.append(7.0)
        runner = job_runner(at, SlowModel())
        row_id = asked(runner, launch)
        runner.read(row_id)
        row = runner.readings.get(row_id)
        assert row is not None
        assert row.state == AWAITING_LAUNCH
        assert row.result is not None  # the result is kept
        # Nobody else's credentials were tried, the backend's least of all.
        kinds = {one.form["grant_type"] for one in at.wire.at("/auth/token")}
        assert kinds == {"authorization_code", "refresh_token"}
        assert reports_of(at) == []

        again = at.open_launch()
        assert resume_awaiting(runner.readings, again, nudge_s=30) == [row_id]
        runner.read(row_id)
        row = runner.readings.get(row_id)
        assert row is not None
        assert (row.state, row.problem) == (DONE, None)
        assert len(reports_of(at)) == 1
