from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.discovery import fetch_configuration, read_configuration
from smart_launch.errors import DiscoveryError
from smart_launch.http import Http
from tests.smart_launch.loopback import Loopback, Says

BASE = "https://ehr.example/fhir/r4"
WELL_KNOWN = "/fhir/r4/.well-known/smart-configuration"
DOCUMENT: dict[str, Any] = {
    "issuer": "https://ehr.example",
    "jwks_uri": "https://ehr.example/jwks",
    "authorization_endpoint": "https://login.example/authorize",
    "token_endpoint": "https://login.example/token",
    "revocation_endpoint": "https://login.example/revoke",
    "introspection_endpoint": "https://login.example/introspect",
    "capabilities": ["launch-ehr", "client-public", 7],
    "scopes_supported": ["openid"],
    "code_challenge_methods_supported": ["S256"],
    "grant_types_supported": ["authorization_code", "client_credentials"],
    "token_endpoint_auth_methods_supported": ["private_key_jwt"],
    "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
    "authorization_response_iss_parameter_supported": True,
}


@pytest.mark.parametrize("ending", ["", "/"])
def test_the_document_is_asked_for_below_the_base(
    http: Http, server: Loopback, ending: str
) -> None:
    server.says("GET", WELL_KNOWN, Says(body=DOCUMENT))
    configuration = fetch_configuration(http, f"{server.url}/fhir/r4{ending}")
    assert server.asked[0].headers["Accept"] == "application/json"
    assert "Authorization" not in server.asked[0].headers
    assert configuration.token_endpoint == "https://login.example/token"
    assert configuration.fhir_base == f"{server.url}/fhir/r4"


def test_everything_listed_is_read() -> None:
    configuration = read_configuration(BASE, DOCUMENT)
    assert configuration.authorization_endpoint == "https://login.example/authorize"
    assert configuration.jwks_uri == "https://ehr.example/jwks"
    assert configuration.revocation_endpoint == "https://login.example/revoke"
    assert configuration.introspection_endpoint == "https://login.example/introspect"
    assert configuration.capabilities == ("launch-ehr", "client-public")
    assert configuration.grant_types_supported == ("authorization_code", "client_credentials")
    assert configuration.token_endpoint_auth_methods_supported == ("private_key_jwt",)
    assert configuration.authorization_response_iss_parameter_supported
    assert configuration.id_token_issuer == "https://ehr.example"


def test_relative_endpoints_belong_to_the_fhir_base() -> None:
    configuration = read_configuration(BASE, {"token_endpoint": "auth/token", "jwks_uri": "/jwks"})
    assert configuration.token_endpoint == "https://ehr.example/fhir/r4/auth/token"
    assert configuration.jwks_uri == "https://ehr.example/jwks"


def test_a_server_that_names_no_issuer_is_its_own_issuer() -> None:
    assert read_configuration(BASE, {"token_endpoint": "/token"}).id_token_issuer == BASE


@pytest.mark.parametrize(
    "name", ["token_endpoint", "authorization_endpoint", "jwks_uri", "revocation_endpoint"]
)
@pytest.mark.parametrize(
    "address", ["http://ehr.example/x", "ftp://ehr.example/x", "https://a:b@ehr.example/x"]
)
def test_endpoints_must_be_https_outside_loopback(name: str, address: str) -> None:
    with pytest.raises(DiscoveryError, match=f"{name} cannot be used") as caught:
        read_configuration(BASE, {**DOCUMENT, name: address})
    assert caught.value.code == "endpoint_refused"


def test_a_server_that_lists_pkce_without_s256_is_refused() -> None:
    with pytest.raises(DiscoveryError, match="pkce_unsupported"):
        read_configuration(BASE, {**DOCUMENT, "code_challenge_methods_supported": ["plain"]})


def test_a_server_that_lists_no_pkce_methods_is_older_and_accepted() -> None:
    document = {k: v for k, v in DOCUMENT.items() if k != "code_challenge_methods_supported"}
    assert read_configuration(BASE, document).code_challenge_methods_supported == ()


@pytest.mark.parametrize("value", [None, "", 7, ["https://ehr.example/token"]])
def test_a_document_without_a_token_endpoint_is_refused(value: object) -> None:
    with pytest.raises(DiscoveryError, match="token_endpoint_missing"):
        read_configuration(BASE, {**DOCUMENT, "token_endpoint": value})


@pytest.mark.parametrize(
    ("says", "code", "retryable"),
    [
        (Says(404), "configuration_unavailable", False),
        (Says(500), "configuration_unavailable", True),
        (Says(503), "configuration_unavailable", True),
        (Says(200, b"<html>Sign in"), "html_not_json", True),
        (Says(200, b'{"token_endp'), "not_json", True),
        (Says(302, headers={"Location": "/elsewhere"}), "redirected", False),
    ],
)
def test_a_configuration_that_cannot_be_had_is_named(
    http: Http, server: Loopback, says: Says, code: str, retryable: bool
) -> None:
    server.says("GET", WELL_KNOWN, says)
    with pytest.raises(DiscoveryError) as caught:
        fetch_configuration(http, f"{server.url}/fhir/r4")
    assert (caught.value.code, caught.value.retryable) == (code, retryable)


@given(
    st.dictionaries(
        st.sampled_from(sorted(DOCUMENT)),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda children: st.lists(children),
            max_leaves=6,
        ),
    )
)
def test_no_document_makes_reading_fall_over(document: dict[str, Any]) -> None:
    try:
        configuration = read_configuration(BASE, document)
    except DiscoveryError:
        return
    assert configuration.token_endpoint.startswith(("https://", "http://"))
