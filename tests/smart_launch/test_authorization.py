from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from smart_launch.authorization import (
    AuthorizationRequest,
    build_authorization_request,
    code_challenge,
    requested_scopes,
)
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import DiscoveryError
from smart_launch.registration import ClientRegistration

REGISTRATION = ClientRegistration(
    issuer="https://ehr.example/fhir/",
    client_id="wet&read",
    authentication="public",
    redirect_uri="https://app.example/callback/ehr",
    scopes=("launch", "openid", "fhirUser", "patient/Patient.r"),
)
CONFIGURATION = SmartConfiguration(
    fhir_base="https://ehr.example/fhir",
    token_endpoint="https://ehr.example/token",
    authorization_endpoint="https://ehr.example/authorize?tenant=7&state=theirs",
)


def built(launch: str | None = "xyz 1&2") -> tuple[AuthorizationRequest, dict[str, str]]:
    request = build_authorization_request(REGISTRATION, CONFIGURATION, launch=launch)
    query = urlsplit(request.url).query
    return request, dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))


def test_an_ehr_launch_asks_for_exactly_this() -> None:
    request, query = built()
    assert request.url.startswith("https://ehr.example/authorize?")
    assert query == {
        "tenant": "7",
        "response_type": "code",
        "client_id": "wet&read",
        "redirect_uri": "https://app.example/callback/ehr",
        "scope": "launch openid fhirUser patient/Patient.r",
        "state": request.state,
        "nonce": request.nonce,
        "aud": "https://ehr.example/fhir/",
        "code_challenge": code_challenge(request.code_verifier),
        "code_challenge_method": "S256",
        "launch": "xyz 1&2",
    }


def test_no_parameter_is_sent_twice() -> None:
    values = parse_qs(urlsplit(built()[0].url).query)
    assert all(len(value) == 1 for value in values.values())


def test_aud_is_the_registered_issuer_with_its_closing_slash() -> None:
    assert built()[1]["aud"] == "https://ehr.example/fhir/"


def test_a_standalone_launch_sends_no_launch_and_asks_for_a_patient() -> None:
    query = built(launch=None)[1]
    assert "launch" not in query
    assert query["scope"] == "launch/patient openid fhirUser patient/Patient.r"


def test_auth_time_and_max_age_are_never_asked_for() -> None:
    assert not {"auth_time", "max_age"} & built()[1].keys()


def test_without_openid_there_is_no_nonce() -> None:
    registration = ClientRegistration(
        REGISTRATION.issuer, "c", "public", REGISTRATION.redirect_uri, ("patient/Patient.r",)
    )
    request = build_authorization_request(registration, CONFIGURATION, launch="x")
    assert "nonce=" not in request.url


def test_state_nonce_and_verifier_are_long_random_and_different_each_time() -> None:
    requests = [built()[0] for _ in range(50)]
    for name, least_bits in (("state", 122), ("nonce", 122), ("code_verifier", 256)):
        values = {getattr(request, name) for request in requests}
        assert len(values) == 50
        assert all(re.fullmatch(r"[A-Za-z0-9_-]+", value) for value in values)
        assert all(len(base64.urlsafe_b64decode(v + "==")) * 8 >= least_bits for v in values)
    assert all(43 <= len(request.code_verifier) <= 128 for request in requests)
    assert all(request.code_verifier not in request.url for request in requests)


def test_state_does_not_give_away_the_nonce_or_the_verifier() -> None:
    request = built()[0]
    assert len({request.state, request.nonce, request.code_verifier}) == 3


def test_the_challenge_is_the_one_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert code_challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert hashlib.sha256(verifier.encode()).digest() == base64.urlsafe_b64decode(
        code_challenge(verifier) + "="
    )


def test_the_secrets_are_not_shown() -> None:
    request = built()[0]
    shown = repr(request)
    assert not any(secret in shown for secret in (request.state, request.nonce, request.url))
    assert request.code_verifier not in shown


def test_a_server_for_backend_services_only_cannot_be_launched_from() -> None:
    with pytest.raises(DiscoveryError, match="authorization_endpoint_missing"):
        build_authorization_request(
            REGISTRATION, SmartConfiguration("https://e.example", "https://e.example/t"), launch="x"
        )


@pytest.mark.parametrize(
    ("registered", "standalone", "expected"),
    [
        (("openid",), False, ("launch", "openid")),
        (("openid",), True, ("openid",)),
        (("launch", "openid"), True, ("launch/patient", "openid")),
        (("launch/patient", "openid"), False, ("launch", "openid")),
        (("launch/patient", "openid"), True, ("launch/patient", "openid")),
        (("patient/Patient.r",), True, ("launch/patient", "patient/Patient.r")),
    ],
)
def test_scopes_fit_the_kind_of_launch(
    registered: tuple[str, ...], standalone: bool, expected: tuple[str, ...]
) -> None:
    assert requested_scopes(registered, standalone=standalone) == expected
