from __future__ import annotations

from typing import Any

import pytest

from smart_launch.errors import RegistrationError
from smart_launch.registration import ClientRegistration

GOOD: dict[str, Any] = {
    "issuer": "https://ehr.example/fhir/",
    "client_id": "wetread",
    "authentication": "public",
    "redirect_uri": "https://app.example/callback/ehr",
    "scopes": ("launch", "patient/Patient.r"),
}


def test_the_issuer_is_kept_letter_by_letter_and_the_base_has_no_slash() -> None:
    registration = ClientRegistration(**GOOD)
    assert registration.issuer == "https://ehr.example/fhir/"
    assert registration.fhir_base == "https://ehr.example/fhir"


def test_the_secret_is_not_shown() -> None:
    registration = ClientRegistration(
        **{**GOOD, "authentication": "secret", "client_secret": "hush"}
    )
    assert "hush" not in repr(registration)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"issuer": "http://ehr.example/fhir"}, "issuer cannot be used.*https"),
        ({"issuer": "https://ehr.example/fhir?x=1"}, "without a query"),
        ({"redirect_uri": "http://app.example/callback"}, "redirect_uri cannot be used"),
        ({"redirect_uri": "https://app.example/callback#x"}, "redirect_uri.*without a fragment"),
        ({"jwks_url": "http://app.example/jwks.json"}, "jwks_url cannot be used"),
        ({"client_id": ""}, "client_id must not be empty"),
        ({"scopes": ()}, "at least one scope"),
        ({"authentication": "none"}, "must be public, secret or private_key"),
        ({"authentication": "secret"}, "client_secret belongs"),
        ({"client_secret": "hush"}, "client_secret belongs"),
        ({"signing_algorithm": "HS256"}, "ES384 or RS384"),
        ({"signing_algorithm": "none"}, "ES384 or RS384"),
    ],
)
def test_a_wrong_entry_is_refused_with_the_rule(change: dict[str, Any], rule: str) -> None:
    with pytest.raises(RegistrationError, match=rule) as caught:
        ClientRegistration(**{**GOOD, **change})
    assert "hush" not in str(caught.value)
