"""Registration of clients, the command line, and the hospital's addresses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from sandbox.__main__ import main
from sandbox.clients import read_client, read_clients
from sandbox.errors import RegistrationError
from sandbox.launches import UnknownClientError, mint
from sandbox.server import RunningSandbox

ENTRY = {
    "client_id": "wetread",
    "name": "Wetread",
    "type": "public",
    "redirect_uris": ["http://127.0.0.1:8081/callback/sandbox"],
    "launch_url": "http://127.0.0.1:8081/launch",
    "scopes": "launch openid",
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"type": "magic"}, "type must be"),
        ({"redirect_uris": []}, "needs redirect URI and launch URL"),
        ({"launch_url": ""}, "needs redirect URI and launch URL"),
        ({"redirect_uris": "http://127.0.0.1/"}, "must be a list"),
        ({"scopes": ""}, "needs a client_id and scopes"),
        ({"grant_types": []}, "grant_types must be some of"),
        ({"grant_types": ["password"]}, "grant_types must be some of"),
        ({"grant_types": ["client_credentials"]}, "for clients of type private_key"),
        ({"cds_services_url": "http://example.com/cds-services"}, "must be absolute https"),
        ({"redirect_uris": ["http://example.com/callback"]}, "must be absolute https"),
        ({"redirect_uris": ["/callback"]}, "must be absolute https"),
        ({"redirect_uris": ["https://example.com/callback#x"]}, "without fragment"),
        ({"type": "secret"}, "needs its secret"),
        ({"type": "private_key"}, "either jwks_url or jwks"),
        ({"type": "private_key", "jwks_url": "http://example.com/jwks"}, "must be absolute https"),
        ({"colour": "red"}, "a client entry is wrong"),
    ],
)
def test_wrong_registrations_stop_the_start(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RegistrationError, match=says):
        read_client({**ENTRY, **changes})


@pytest.mark.parametrize("text", ["{", "{}", json.dumps([ENTRY, ENTRY])])
def test_wrong_clients_file_stops_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clients.json"
    path.write_text(text)
    with pytest.raises(RegistrationError):
        read_clients(path)
    result = CliRunner().invoke(main, ["--data", str(tmp_path), "--clients", str(path)])
    assert result.exit_code == 1
    assert "cannot start" in result.output


def test_launches_are_minted_for_registered_clients_only(hospital: RunningSandbox) -> None:
    with hospital.app.app_context():
        code = mint(
            "wetread", "clark-dan", "clark-dan-chest-xray", user="Practitioner/demo-physician"
        )
        with pytest.raises(UnknownClientError):
            mint("stranger", "clark-dan")
    found = hospital.app.extensions["sandbox"].launches.consume(code, "wetread")
    assert (found.patient, found.study) == ("clark-dan", "clark-dan-chest-xray")
    assert found.user == "Practitioner/demo-physician"


def test_healthz_says_that_the_hospital_is_open(hospital: RunningSandbox) -> None:
    response = requests.get(f"{hospital.base_url}/healthz", timeout=10)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.integration
def test_command_starts_a_hospital_and_stops_when_told(tmp_path: Path) -> None:
    clients = tmp_path / "clients.json"
    clients.write_text(json.dumps([ENTRY]))
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--data", str(tmp_path / "data")]
    process = subprocess.Popen(
        [*command, "--clients", str(clients)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        found = re.search(r"http://localhost:\d+", process.stdout.readline())
        assert found
        assert requests.get(f"{found[0]}/healthz", timeout=10).status_code == 200
        process.terminate()
        assert process.wait(timeout=10) == 0
