"""What a token response says beside the token (SMART 2.2, "Launch context"; CDS Hooks, "Link")."""

from __future__ import annotations

from pathlib import Path

import requests

from sandbox.server import RunningSandbox
from tests.sandbox.conftest import open_hospital
from tests.sandbox.smart_client import SmartClient, answer_of


def test_context_of_a_launch_is_handed_on_as_it_was_made(client: SmartClient) -> None:
    found = client.launch(
        study="clark-dan-chest-xray",
        encounter="clark-dan-visit",
        intent="diagnose",
        app_context='{"study": "x"}',
        need_patient_banner=False,
    )
    assert found["patient"] == "clark-dan"
    assert found["fhirContext"] == [{"reference": "ImagingStudy/clark-dan-chest-xray"}]
    assert (found["encounter"], found["intent"]) == ("clark-dan-visit", "diagnose")
    assert found["appContext"] == '{"study": "x"}'
    assert found["need_patient_banner"] is False


def test_what_was_not_open_is_not_said(client: SmartClient) -> None:
    found = client.launch()
    assert found["need_patient_banner"] is True
    assert not found.keys() & {"encounter", "fhirContext", "intent", "appContext"}


def test_style_is_named_and_any_page_may_read_it(client: SmartClient) -> None:
    address = client.launch()["smart_style_url"]
    answer = requests.get(address, timeout=10)
    assert address.startswith(client.hospital.base_url)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "max-age" in answer.headers["Cache-Control"]
    assert set(answer.json()) == {
        *("color_background", "color_error", "color_highlight", "color_modal_backdrop"),
        *("color_success", "color_text", "dim_border_radius", "dim_font_size"),
        *("dim_spacing_size", "font_family_body", "font_family_heading"),
    }
    older = f"{address.rpartition('/')[0]}/0123.json"
    assert requests.get(older, timeout=10).status_code == 404


def test_another_style_address_can_be_named(tmp_path: Path) -> None:
    with open_hospital(tmp_path, style_url="https://style.example/v1.json") as hospital:
        found = SmartClient(hospital).launch()
        assert found["smart_style_url"] == "https://style.example/v1.json"


def test_every_answer_names_the_issuer_as_promised(
    hospital: RunningSandbox, client: SmartClient
) -> None:
    address = f"{hospital.fhir_base}/.well-known/smart-configuration"
    promised = requests.get(address, timeout=10).json()
    assert promised["authorization_response_iss_parameter_supported"] is True
    assert "context-style" in promised["capabilities"]
    good, bad = client.authorize(), client.authorize(scope="launch nothing-of-this")
    refused = client.authorize(response_type="token")
    for answer in (good, bad, refused):
        assert answer_of(answer)["iss"] == promised["issuer"]
