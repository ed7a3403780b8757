"""Does the EHR know this client, may its sign-in be framed, and does the configuration fit it?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey
from requests.structures import CaseInsensitiveDict

from plugin.checks.sign_in_page import SignInPage, refuses_frames
from plugin.commands.check import command
from plugin.ehrs import Ehr
from tests.plugin.checks.conftest import Look, bad, good, json_reply
from tests.plugin.reading.hospital import Hospital, Reply, Request

VIEWER = "https://viewer.example"
PAGE = "https://login.example/sign-in"
SHOWN = ECKey.generate_key("P-384", {"kid": "a"}, private=False).as_dict(private=False)
EHR = Ehr(id="x", name="X", issuer="https://ehr.example/fhir", client_id="wetread")


def test_addresses_to_register_are_listed_for_copying(furnished: Hospital, look: Look) -> None:
    [line] = [one.text for one in look() if one.code == "register"]
    assert "http://127.0.0.1:8081/launch" in line
    assert "http://127.0.0.1:8081/callback/north" in line


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client"])
def test_client_that_the_ehr_does_not_know_is_a_failure(
    furnished: Hospital, look: Look, code: str
) -> None:
    furnished.trick("POST", "/token$", json_reply({"error": code}, 401))
    furnished.tricks.insert(0, furnished.tricks.pop())
    assert code in bad(look())["client"]


def test_client_check_sends_a_code_that_nobody_gave_out(furnished: Hospital, look: Look) -> None:
    look()
    [asked] = furnished.asked("POST", "/token$")
    assert asked.form()["grant_type"] == "authorization_code"
    assert asked.form()["code"] == "wetread-check-no-such-code"


def test_server_that_gives_tokens_for_any_code_is_told(furnished: Hospital, look: Look) -> None:
    furnished.trick("POST", "/token$", json_reply({"access_token": "x", "token_type": "Bearer"}))
    furnished.tricks.insert(0, furnished.tricks.pop())
    assert "code_not_checked" in bad(look())


@pytest.mark.parametrize(
    "ehr_changes",
    [{"authentication": "private_key", "token_endpoint": "https://login.example/token"}],
)
def test_token_endpoint_that_is_not_the_registered_one_is_told_and_gets_no_proof(
    furnished: Hospital, look: Look
) -> None:
    assert "it names another address" in bad(look())["token_endpoint_changed"]
    assert not furnished.asked("POST", "/token$")


@pytest.mark.parametrize(
    "ehr_changes",
    [{"backend_client_id": "wetread-backend", "token_endpoint": "https://login.example/token"}],
)
def test_unattended_reading_too_is_told_to_correct_the_token_endpoint(
    furnished: Hospital, look: Look
) -> None:
    (told,) = [one for one in look() if one.code == "backend"]
    assert told.kind == "failure"
    assert "correct token_endpoint" in told.remedy


# The sign-in page


FRAMED = pytest.mark.parametrize("ehr_changes", [{"frame_ancestors": (VIEWER,)}])


@FRAMED
def test_sign_in_page_is_asked_for_with_its_cookies_and_without_scopes_of_a_chart(
    furnished: Hospital, look: Look
) -> None:
    def start(_: Request) -> Reply:
        moved = {"Location": "/login", "Set-Cookie": "visit=1; Path=/"}
        return Reply(302, b"", moved)

    def login(request: Request) -> Reply:
        known = request.headers.get("cookie") == "visit=1"
        return Reply(200 if known else 400, b"", {"X-Frame-Options": "DENY"})

    furnished.tricks = [one for one in furnished.tricks if "authorize" not in one[1].pattern]
    furnished.trick("GET", "/authorize$", start)
    furnished.trick("GET", "/login$", login)
    found = bad(look())
    assert "sign_in_refused" not in found
    assert "X-Frame-Options DENY" in found["sign_in_frame"]
    [asked] = furnished.asked("GET", "/authorize$")
    assert asked.query["scope"] == "openid"


@FRAMED
def test_error_that_is_sent_back_is_named_and_our_own_address_not_called(
    furnished: Hospital, look: Look
) -> None:
    def back(request: Request) -> Reply:
        target = request.query["redirect_uri"] + "?error=unauthorized_client"
        return Reply(303, b"", {"Location": target})

    furnished.tricks = [one for one in furnished.tricks if "authorize" not in one[1].pattern]
    furnished.trick("GET", "/authorize$", back)
    assert "unauthorized_client" in bad(look())["sign_in_sent_back"]


@FRAMED
def test_hospital_that_signs_users_in_without_a_page_is_well(
    furnished: Hospital, look: Look
) -> None:
    def back(request: Request) -> Reply:
        return Reply(303, b"", {"Location": request.query["redirect_uri"] + "?code=c&state=s"})

    furnished.tricks = [one for one in furnished.tricks if "authorize" not in one[1].pattern]
    furnished.trick("GET", "/authorize$", back)
    (told,) = [one for one in look() if one.code.startswith("sign_in")]
    assert (told.kind, told.code) == ("ok", "sign_in_page")


def page(**headers: str) -> SignInPage:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SignInPage(200, CaseInsensitiveDict(named), PAGE)


@pytest.mark.parametrize(
    ("headers", "refuses"),
    [
        ({}, False),
        ({"X_Frame_Options": "deny"}, True),
        ({"X_Frame_Options": "SAMEORIGIN"}, True),
        ({"Content_Security_Policy": "frame-ancestors 'none'"}, True),
        ({"Content_Security_Policy": "frame-ancestors 'self'"}, True),
        ({"Content_Security_Policy": "default-src 'self'"}, False),
        ({"Content_Security_Policy": f"frame-ancestors 'self' {VIEWER}"}, False),
        ({"Content_Security_Policy": "frame-ancestors https://*.example"}, False),
        ({"Content_Security_Policy": "frame-ancestors http://viewer.example"}, True),
        ({"Content_Security_Policy": "frame-ancestors https:"}, False),
        # CSP wins where both are sent.
        (
            {"Content_Security_Policy": f"frame-ancestors {VIEWER}", "X_Frame_Options": "DENY"},
            False,
        ),
    ],
)
def test_frame_headers_are_read_as_browsers_do(headers: dict[str, str], refuses: bool) -> None:
    assert (refuses_frames(page(**headers), (VIEWER,)) is not None) is refuses


@given(st.text(max_size=200))
def test_any_policy_is_read_without_an_accident(policy: str) -> None:
    refuses_frames(page(Content_Security_Policy=policy), (VIEWER,))


# Unattended reading and CDS Hooks


BACKEND = pytest.mark.parametrize("ehr_changes", [{"backend_client_id": "wetread-backend"}])


@BACKEND
def test_scopes_of_unattended_reading_are_compared(furnished: Hospital, look: Look) -> None:
    def token(request: Request) -> Reply:
        if request.form()["grant_type"] != "client_credentials":
            return json_reply({"error": "invalid_grant"}, 400)
        asked = request.form()["scope"].split()
        kept = [one for one in asked if "Subscription" not in one]
        return json_reply(
            {
                "access_token": "b",
                "token_type": "Bearer",
                "expires_in": 300,
                "scope": " ".join(kept),
            }
        )

    furnished.trick("POST", "/token$", token)
    furnished.tricks.insert(0, furnished.tricks.pop())
    assert "system/Subscription.crud" in bad(look())["backend_scope_missing"]


@BACKEND
def test_refused_unattended_reading_is_a_failure(furnished: Hospital, look: Look) -> None:
    furnished.trick("POST", "/token$", json_reply({"error": "invalid_client"}, 401))
    furnished.tricks.insert(0, furnished.tricks.pop())
    assert "invalid_client" in bad(look())["backend"]


@pytest.fixture
def ehr_changes(request: pytest.FixtureRequest, hospital: Hospital) -> dict[str, Any]:
    if getattr(request, "param", None) is None and "cds" in request.node.name:
        return {"cds_issuer": hospital.issuer, "cds_jwks_url": f"{hospital.origin}/cds-keys"}
    return getattr(request, "param", None) or {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"keys": [SHOWN]}, None),
        ({"keys": []}, "cds_keys"),
        ({"keys": 5}, "cds_keys"),
        ({"keys": [SHOWN | {"kid": ""}]}, "cds_keys"),
        ({"keys": [{"kid": "a", "kty": "EC"}]}, "cds_keys"),
    ],
)
def test_cds_keys_are_fetched_where_the_ehr_may_call(
    furnished: Hospital, look: Look, body: Any, code: str | None
) -> None:
    furnished.trick("GET", "/cds-keys$", json_reply(body))
    results = look(launched=False)
    assert ("cds_keys" in bad(results)) is (code is not None)
    assert ("cds_keys" in good(results)) is (code is None)
    [line] = [one.text for one in results if one.code == "cds_service"]
    assert line.endswith("/cds-services/wetread-chest-studies")


# The command


def test_command_prints_one_json_object_a_line_and_exits_with_1_on_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WETREAD_CONFIG", raising=False)
    done = CliRunner().invoke(command, ["--json"])
    assert done.exit_code == 1
    [line] = done.output.splitlines()
    assert json.loads(line)["subject"] == "configuration"


def test_id_of_no_ehr_is_refused_with_those_that_are_registered(
    furnished: Hospital, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("WETREAD_CONFIG", raising=False)
    monkeypatch.setenv("WETREAD_BASE_URL", "http://127.0.0.1:8081")
    monkeypatch.setenv("WETREAD_DATA_DIR", str(tmp_path / "data"))
    table = {"id": "north", "name": "N", "issuer": furnished.issuer, "client_id": "wetread"}
    monkeypatch.setenv("WETREAD_EHRS", json.dumps([table]))
    done = CliRunner().invoke(command, ["--ehr", "south"])
    assert done.exit_code == 1
    assert "got 'south'" in done.output
    assert "Registered are: north" in done.output


def test_sign_in_request_names_this_client_and_its_redirect_address(
    furnished: Hospital, look: Look
) -> None:
    look()
    [asked] = furnished.asked("GET", "/authorize$")
    assert asked.query["client_id"] == "wetread"
    assert asked.query["redirect_uri"].endswith("/callback/north")
