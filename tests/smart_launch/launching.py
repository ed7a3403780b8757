"""Whole launches for the tests, the browser and its user included."""

from __future__ import annotations

from typing import Any

import pytest

from smart_launch.errors import TokenRejected
from smart_launch.http import Http
from smart_launch.launch import CompletedLaunch, begin_launch, finish_launch
from smart_launch.registration import ClientRegistration
from tests.smart_launch.authorization_server import (
    AuthorizationServer,
)

SCOPES = ("launch", "openid", "fhirUser", "online_access", "patient/Patient.r")


def registered(ehr: AuthorizationServer, **change: Any) -> ClientRegistration:
    fields: dict[str, Any] = {
        "issuer": ehr.base,
        "client_id": ehr.client_id,
        "authentication": "public",
        "redirect_uri": "https://app.example/callback/ehr",
        "scopes": SCOPES,
    }
    return ClientRegistration(**(fields | change))


def launched(
    http: Http,
    ehr: AuthorizationServer,
    registration: ClientRegistration | None = None,
    *,
    launch: str | None = "launch-1",
    **settings: Any,
) -> CompletedLaunch:
    registration = registration or registered(ehr)
    configuration, request = begin_launch(http, registration, launch=launch)
    code, state = ehr.authorize(request.url)
    assert state == request.state
    return finish_launch(
        http,
        registration,
        configuration,
        code=code,
        code_verifier=request.code_verifier,
        nonce=settings.pop("nonce", request.nonce),
        standalone=launch is None,
        **settings,
    )


def refused(http: Http, ehr: AuthorizationServer, code: str, **settings: Any) -> TokenRejected:
    with pytest.raises(TokenRejected) as caught:
        launched(http, ehr, **settings)
    assert caught.value.code == code
    return caught.value
