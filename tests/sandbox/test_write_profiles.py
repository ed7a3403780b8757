"""The kinds of FHIR server that the hospital plays."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.errors import RegistrationError
from sandbox.settings import SandboxSettings
from tests.sandbox.conftest import open_hospital
from tests.sandbox.smart_client import SmartClient, observation
from tests.sandbox.test_fhir_bundles import bundle, put

EXPECTED = {
    # profile: POST, PUT of something new, PUT of something known, transaction
    "transaction-put": (201, 201, 200, 200),
    "put": (201, 201, 200, 405),
    "create": (201, 405, 200, 405),
    "none": (405, 405, 405, 405),
}


@pytest.mark.parametrize("profile", EXPECTED)
def test_profile_takes_its_own_kinds_of_writing(tmp_path: Path, profile: str) -> None:
    with open_hospital(tmp_path, write_profile=profile) as server:
        known = observation(id="known")
        server.app.extensions["sandbox"].fhir.update(known)
        fhir = SmartClient(server).fhir()
        found = (
            fhir.send("POST", "/Observation", observation()).status_code,
            fhir.send("PUT", "/Observation/new", observation(id="new")).status_code,
            fhir.send("PUT", "/Observation/known", known).status_code,
            fhir.send("POST", "", bundle(put(observation(id="in-bundle")))).status_code,
        )
        offered = fhir.get("/metadata").json()["rest"][0]
    assert found == EXPECTED[profile]
    assert ("interaction" in offered) == (profile == "transaction-put")
    assert offered["resource"][0]["updateCreate"] == (EXPECTED[profile][1] == 201)


def test_unknown_profile_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(RegistrationError, match="write_profile must be one of"):
        SandboxSettings(tmp_path, write_profile="sometimes")
