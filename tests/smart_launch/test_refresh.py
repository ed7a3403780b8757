"""Refresh with rotation, and revocation."""

from __future__ import annotations

from typing import Any

import pytest

from smart_launch.client_keys import KeySet
from smart_launch.errors import TokenRejected
from smart_launch.http import Http
from smart_launch.launch import CompletedLaunch, begin_launch, refresh, revoke
from tests.smart_launch.authorization_server import (
    AuthorizationServer,
)
from tests.smart_launch.launching import launched, registered
from tests.smart_launch.loopback import Says


def refreshed(http: Http, ehr: AuthorizationServer, done: CompletedLaunch, **settings: Any) -> Any:
    registration = registered(ehr)
    configuration = begin_launch(http, registration, launch="x")[0]
    given: dict[str, Any] = {
        "refresh_token": done.tokens.refresh_token,
        "granted": done.granted,
        "patient": done.context.patient,
    }
    return refresh(http, registration, configuration, **(given | settings))


def test_a_refresh_replaces_both_tokens(http: Http, ehr: AuthorizationServer) -> None:
    done = launched(http, ehr)
    tokens = refreshed(http, ehr, done)
    assert tokens.access_token != done.tokens.access_token
    assert tokens.refresh_token != done.tokens.refresh_token
    assert tokens.refresh_token in ehr.refresh_tokens
    with pytest.raises(TokenRejected, match="invalid_grant") as caught:
        refreshed(http, ehr, done)
    assert not caught.value.retryable


def test_a_server_that_does_not_rotate_leaves_the_old_refresh_token(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr)
    ehr.token_answer = {"refresh_token": None}
    assert refreshed(http, ehr, done).refresh_token == done.tokens.refresh_token


def test_a_refresh_never_counts_for_more_than_the_launch(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr)
    ehr.token_answer = {"scope": "patient/Patient.r patient/*.cruds user/*.*"}
    assert refreshed(http, ehr, done).granted == ("patient/Patient.r",)


def test_a_refresh_without_scope_keeps_those_of_the_launch(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr)
    ehr.token_answer = {"scope": None}
    assert set(refreshed(http, ehr, done).granted) == set(done.granted)


def test_a_refresh_for_another_patient_is_refused(http: Http, ehr: AuthorizationServer) -> None:
    done = launched(http, ehr)
    ehr.token_answer = {"patient": "pat-2"}
    with pytest.raises(TokenRejected, match="patient_changed") as caught:
        refreshed(http, ehr, done)
    assert "pat-" not in str(caught.value)


def test_a_refresh_that_found_nobody_may_be_tried_again(
    http: Http, ehr: AuthorizationServer
) -> None:
    done = launched(http, ehr)
    ehr.book.says("POST", "/token", Says(503))
    with pytest.raises(TokenRejected) as caught:
        refreshed(http, ehr, done)
    assert caught.value.retryable
    assert len(ehr.book.asked_at("/token")) == 2


def test_revocation_takes_the_refresh_token_back(http: Http, ehr: AuthorizationServer) -> None:
    done = launched(http, ehr)
    registration = registered(ehr)
    configuration = begin_launch(http, registration, launch="x")[0]
    assert revoke(http, registration, configuration, token=str(done.tokens.refresh_token))
    assert ehr.revoked == [done.tokens.refresh_token]
    with pytest.raises(TokenRejected, match="invalid_grant"):
        refreshed(http, ehr, done)


def test_revocation_authenticates_with_an_assertion_for_the_token_endpoint(
    http: Http, ehr: AuthorizationServer, our_keys: KeySet
) -> None:
    ehr.client_jwks = our_keys.public_jwks()
    registration = registered(ehr, authentication="private_key")
    configuration = begin_launch(http, registration, launch="x")[0]
    assert revoke(http, registration, configuration, token="r", keys=our_keys)
    assert ehr.revoked == ["r"]


def test_where_nothing_can_be_revoked_nothing_is_sent(http: Http, ehr: AuthorizationServer) -> None:
    ehr.configuration.pop("revocation_endpoint")
    registration = registered(ehr)
    configuration = begin_launch(http, registration, launch="x")[0]
    assert not revoke(http, registration, configuration, token="r")


def test_a_failed_revocation_is_told(http: Http, ehr: AuthorizationServer) -> None:
    ehr.book.says("POST", "/revoke", Says(500))
    registration = registered(ehr)
    configuration = begin_launch(http, registration, launch="x")[0]
    with pytest.raises(TokenRejected) as caught:
        revoke(http, registration, configuration, token="r")
    assert caught.value.retryable
