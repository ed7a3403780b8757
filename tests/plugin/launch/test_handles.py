"""The handle: a header, stored hashed, that ends."""

from __future__ import annotations

import time

import pytest
from flask import Flask, jsonify
from flask.testing import FlaskClient
from sqlalchemy import select, text

from plugin.errors import HandleInvalid
from plugin.launching.handles import current_launch
from plugin.launching.launches import Launch
from plugin.readings import QUEUED, Reading
from plugin.services import Services
from tests.plugin.launch.conftest import Browser, problem_code
from tests.plugin.launch.hospital import Hospital


def later(services: Services, seconds: float) -> None:
    services.launches.clock = lambda: time.time() + seconds


def end(client: FlaskClient, handle: str | None) -> tuple[int, str]:
    headers = {} if handle is None else {"Wetread-Handle": handle}
    answer = client.post("/api/launch/end", headers=headers)
    return answer.status_code, "" if answer.status_code == 204 else problem_code(answer)


def test_request_without_handle_is_refused(client: FlaskClient) -> None:
    assert end(client, None) == (401, "launch_ended")


def test_request_with_a_made_up_handle_is_refused(client: FlaskClient) -> None:
    assert end(client, "made-up") == (401, "launch_ended")


def test_handle_in_the_address_is_not_looked_at(client: FlaskClient, browser: Browser) -> None:
    handle = browser.open()
    answer = client.post(f"/api/launch/end?Wetread-Handle={handle}&handle={handle}")
    assert answer.status_code == 401


def test_handle_names_its_own_launch(app: Flask, browser: Browser, services: Services) -> None:
    first, second = browser.open(), browser.open()
    ids = {services.launches.by_handle(handle).id for handle in (first, second)}
    assert len(ids) == 2
    with app.test_request_context(headers={"Wetread-Handle": first}):
        assert current_launch().id == services.launches.by_handle(first).id


def test_handle_that_was_not_used_for_half_an_hour_is_dead(
    browser: Browser, services: Services
) -> None:
    handle = browser.open()
    later(services, 29 * 60)
    services.launches.by_handle(handle)
    # That use counts: the half hour begins again.
    later(services, 58 * 60)
    services.launches.by_handle(handle)
    later(services, 89 * 60)
    with pytest.raises(HandleInvalid, match="not been used for a while"):
        services.launches.by_handle(handle)


def test_handle_dies_after_eight_hours_however_much_it_is_used(
    browser: Browser, services: Services
) -> None:
    handle = browser.open()
    for minutes in range(0, 8 * 60, 25):
        later(services, minutes * 60)
        services.launches.by_handle(handle)
    later(services, 8 * 3600 + 1)
    with pytest.raises(HandleInvalid):
        services.launches.by_handle(handle)


def test_end_kills_the_handle_and_revokes_the_tokens(
    client: FlaskClient, browser: Browser, services: Services, hospital: Hospital
) -> None:
    handle = browser.open()
    launch_id = services.launches.by_handle(handle).id
    assert end(client, handle) == (204, "")
    assert end(client, handle) == (401, "launch_ended")
    assert len(hospital.revoked) == 2
    with services.database.session() as session:
        row = session.get(Launch, launch_id)
        assert row is not None
        assert row.tokens is None


def test_tokens_of_an_ended_launch_live_until_its_job_is_done(
    client: FlaskClient, browser: Browser, services: Services, hospital: Hospital
) -> None:
    handle = browser.open()
    launch = services.launches.by_handle(handle)
    with services.database.session() as session:
        job = Reading(
            id=f"job-{launch.id}", launch_id=launch.id, ehr_id="north", issuer=launch.ehr.issuer,
            patient="p-1", study_id="s-1", state=QUEUED, created_at=0.0, updated_at=0.0,
        )  # fmt: skip
        session.add(job)
    assert end(client, handle) == (204, "")
    assert hospital.revoked == []
    assert services.tokens.access_token(launch.id)
    with services.database.session() as session:
        session.get_one(Reading, f"job-{launch.id}").state = "done"
    services.tokens.revoke_what_is_over()
    assert len(hospital.revoked) == 2


def test_tokens_of_a_forgotten_page_are_revoked(
    browser: Browser, services: Services, hospital: Hospital
) -> None:
    browser.open()
    later(services, 31 * 60)
    services.tokens.revoke_what_is_over()
    assert len(hospital.revoked) >= 2
    assert services.launches.over_with_tokens() == ()


def test_launch_is_deleted_after_its_retention(browser: Browser, services: Services) -> None:
    launch_id = services.launches.by_handle(browser.open()).id
    services.launches.purge()
    assert services.launches.get(launch_id).id == launch_id
    later(services, 31 * 86400)
    services.launches.purge()
    with pytest.raises(HandleInvalid, match="deleted"):
        services.launches.get(launch_id)


def test_states_are_deleted_when_they_are_over(browser: Browser, services: Services) -> None:
    browser.launch()
    services.states.clock = lambda: time.time() + 2 * 3600
    services.states.purge()
    with services.database.session() as session:
        assert session.scalar(text("SELECT count(*) FROM launch_states")) == 0


def test_database_holds_neither_handle_nor_state_nor_binder_nor_token(
    browser: Browser, services: Services, hospital: Hospital
) -> None:
    page = browser.launch()
    handle = browser.call_back(page).get_json()["handle"]
    token = services.tokens.access_token(services.launches.by_handle(handle).id)
    refresh = next(iter(hospital.refresh_tokens))
    tables = ("launches", "launch_states")
    with services.database.session() as session:
        found = [session.execute(text(f"SELECT * FROM {name}")) for name in tables]
        rows = [str(row) for result in found for row in result]
    written = "\n".join(rows)
    assert "p-1" in written
    for secret in (handle, page.state, page.binder, token, refresh):
        assert secret not in written


def test_same_user_is_known_again_at_the_next_launch(
    browser: Browser, services: Services, hospital: Hospital
) -> None:
    first = services.launches.by_handle(browser.open())
    second = services.launches.by_handle(browser.open())
    hospital.behaviour.claims = {"sub": "user-2"}
    third = services.launches.by_handle(browser.open())
    assert first.user_key == second.user_key != third.user_key
    assert first.user_key is not None


def test_launch_of_an_ehr_that_is_no_longer_registered_is_closed(
    browser: Browser, services: Services
) -> None:
    handle = browser.open()
    with services.database.session() as session:
        row = session.scalars(select(Launch).order_by(Launch.created_at.desc())).first()
        assert row is not None
        row.issuer = "https://gone.example/fhir"
    with pytest.raises(HandleInvalid, match="registered"):
        services.launches.by_handle(handle)


def test_answers_about_problems_are_json_for_the_page(app: Flask, client: FlaskClient) -> None:
    with app.test_request_context():
        assert jsonify({}).mimetype == "application/json"
    assert client.post("/api/launch/end").mimetype == "application/json"
    assert client.get("/api/nothing-here").mimetype == "application/json"
