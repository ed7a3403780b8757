"""What the server says of a token: RFC 7662, and the launch context that SMART adds to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.client_keys import KeySet
from smart_launch.discovery import SmartConfiguration, fetch_configuration
from smart_launch.errors import TokenRejected
from smart_launch.http import Http
from smart_launch.introspection import Introspection, introspect, read_introspection
from tests.smart_launch.authorization_server import AuthorizationServer
from tests.smart_launch.launching import registered
from tests.smart_launch.loopback import Answering, Says

TOLD = {
    "active": True,
    "scope": "openid patient/Patient.r",
    "client_id": "wetread test",
    "patient": "pat-1",
    "exp": 1_900_000_000,
    "iss": "https://ehr.example",
    "sub": "user-1",
    "fhirUser": "Practitioner/doc-1",
}


def offering(ehr: AuthorizationServer, http: Http, answer: Answering) -> SmartConfiguration:
    ehr.configuration["introspection_endpoint"] = ehr.book.url + "/introspect"
    ehr.book.says("POST", "/introspect", answer)
    return fetch_configuration(http, ehr.base)


def test_an_active_token_is_told_with_its_launch(http: Http, ehr: AuthorizationServer) -> None:
    configuration = offering(ehr, http, Says(body=TOLD))
    told = introspect(http, registered(ehr), configuration, token="the-token")
    assert told == Introspection(
        active=True,
        scope="openid patient/Patient.r",
        client_id="wetread test",
        patient="pat-1",
        exp_s=1_900_000_000.0,
        issuer="https://ehr.example",
        subject="user-1",
        fhir_user="Practitioner/doc-1",
    )
    (asked,) = ehr.book.asked_at("/introspect")
    assert asked.form == {
        "token": "the-token",
        "token_type_hint": "access_token",
        "client_id": "wetread test",
    }
    assert asked.raw_query == ""


def test_a_server_without_introspection_is_not_asked(http: Http, ehr: AuthorizationServer) -> None:
    configuration = fetch_configuration(http, ehr.base)
    before = len(ehr.book.asked)
    assert introspect(http, registered(ehr), configuration, token="the-token") is None
    assert len(ehr.book.asked) == before


def test_the_app_proves_itself_as_at_the_token_endpoint(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet
) -> None:
    ehr.client_jwks = our_keys.public_jwks()

    def strict(asked: Any) -> Says:
        # Raises, and so answers nothing, where the assertion is not as it must be.
        assert ehr._accepts_assertion(asked.form)
        return Says(body={"active": False})

    configuration = offering(ehr, http, strict)
    registration = registered(ehr, authentication="private_key")
    told = introspect(http, registration, configuration, token="the-token", keys=our_keys)
    assert told == Introspection(active=False)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Says(401, {"error": "invalid_client"}), "invalid_client"),
        (Says(403, {}), "token_refused"),
        (Says(body={"scope": "openid"}), "introspection_unreadable"),
        (Says(body={"active": "true"}), "introspection_unreadable"),
        (Says(body=b"<html>"), "html_not_json"),
        (Says(302, headers={"Location": "https://elsewhere.example"}), "redirected"),
    ],
    ids=["refused", "forbidden", "silent", "text", "page", "redirect"],
)
def test_what_is_no_answer_is_rejected(
    http: Http, ehr: AuthorizationServer, answer: Says, code: str
) -> None:
    configuration = offering(ehr, http, answer)
    with pytest.raises(TokenRejected) as caught:
        introspect(http, registered(ehr), configuration, token="the-token")
    assert caught.value.code == code
    assert "the-token" not in str(caught.value)


def test_an_inactive_token_says_nothing_else() -> None:
    assert read_introspection(TOLD | {"active": False}) == Introspection(active=False)


def test_a_patient_named_as_a_reference_is_the_same_patient() -> None:
    assert read_introspection(TOLD | {"patient": "Patient/pat-1"}).patient == "pat-1"


@given(
    st.dictionaries(
        st.sampled_from(sorted(TOLD)),
        st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers()),
    )
)
def test_any_answer_is_read_or_rejected(document: dict[str, Any]) -> None:
    try:
        told = read_introspection(document)
    except TokenRejected:
        assert not isinstance(document.get("active"), bool)
    else:
        assert told.active is document["active"]
        assert told.exp_s is None or told.exp_s < float("inf")
