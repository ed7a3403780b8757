"""Renewal: rotated, raced by two callers, refused, interrupted."""

from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import update

from plugin.errors import LaunchExpired
from plugin.launching.launches import Launch
from plugin.launching.tokens import Tokens
from plugin.record import record_of
from plugin.services import Services
from smart_launch.configuration_cache import ConfigurationCache
from smart_launch.errors import SmartError
from tests.plugin.launch.conftest import Browser
from tests.plugin.launch.hospital import Hospital


@pytest.fixture
def launch_id(browser: Browser, services: Services) -> str:
    return services.launches.by_handle(browser.open()).id


def refreshes(hospital: Hospital) -> list[str]:
    forms = (form for _, path, form in hospital.requests if path == "/token")
    return [form["refresh_token"] for form in forms if form["grant_type"] == "refresh_token"]


def later(services: Services, seconds: float) -> None:
    services.launches.clock = lambda: time.time() + seconds


def test_valid_token_is_given_without_asking(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    first = services.tokens.access_token(launch_id)
    assert services.tokens.access_token(launch_id) == first
    assert refreshes(hospital) == []


def test_token_is_renewed_before_it_runs_out_and_the_refresh_token_rotates(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    first = services.tokens.access_token(launch_id)
    later(services, 3600 - 30)
    second = services.tokens.access_token(launch_id)
    assert second != first
    later(services, 2 * 3600)
    third = services.tokens.access_token(launch_id)
    used = refreshes(hospital)
    assert len(used) == len(set(used)) == 2
    assert len({first, second, third}) == 3


def test_server_that_does_not_rotate_is_asked_with_the_same_refresh_token(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    hospital.behaviour.rotate = False
    later(services, 3600)
    services.tokens.access_token(launch_id)
    later(services, 7300)
    assert services.tokens.access_token(launch_id)


def test_token_that_a_server_has_rejected_is_renewed_at_once(
    launch_id: str, services: Services
) -> None:
    first = services.tokens.access_token(launch_id)
    assert services.tokens.access_token(launch_id, rejected=first) != first


def test_two_callers_race_and_the_refresh_token_is_used_once(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    hospital.behaviour.refresh_delay_s = 0.4
    later(services, 3601)
    start = threading.Barrier(2)
    got: list[str] = []

    # Two objects, as in web process and worker: nothing but the database is shared.
    configurations = ConfigurationCache(services.http)
    other = Tokens(services.launches, services.http, configurations, None, "", lambda _: False)

    def call(tokens: Tokens) -> None:
        start.wait()
        got.append(tokens.access_token(launch_id))

    threads = [threading.Thread(target=call, args=(one,)) for one in (services.tokens, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refreshes(hospital)) == 1
    assert len(got) == 2
    assert got[0] == got[1]


def test_second_caller_goes_on_with_the_old_token_while_it_lives(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    old = services.tokens.access_token(launch_id)
    hospital.behaviour.refresh_delay_s = 1.0
    later(services, 3600 - 30)
    got: list[str] = []
    first = threading.Thread(target=lambda: got.append(services.tokens.access_token(launch_id)))
    first.start()
    while not refreshes(hospital):
        time.sleep(0.01)
    began = time.monotonic()
    assert services.tokens.access_token(launch_id) == old
    assert time.monotonic() - began < 0.8
    first.join()
    assert got[0] != old


def test_lease_of_a_caller_that_died_is_taken_over(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    later(services, 3601)
    held = update(Launch).where(Launch.id == launch_id)
    with services.database.session() as session:
        session.execute(held.values(lease_owner="dead", lease_until=time.time() + 3601 + 0.5))
    began = time.monotonic()
    assert services.tokens.access_token(launch_id)
    assert time.monotonic() - began >= 0.3
    assert len(refreshes(hospital)) == 1


def test_refused_renewal_ends_the_launch_for_its_jobs(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    hospital.behaviour.refresh_error = "invalid_grant"
    later(services, 3601)
    for _ in range(2):
        with pytest.raises(LaunchExpired):
            services.tokens.access_token(launch_id)
    # The second call does not ask again with a refresh token that was refused.
    assert len(refreshes(hospital)) == 1


def test_refused_renewal_does_not_spoil_a_token_that_still_lives(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    first = services.tokens.access_token(launch_id)
    hospital.behaviour.refresh_error = "invalid_grant"
    later(services, 3600 - 30)
    assert services.tokens.access_token(launch_id) == first


def test_server_that_fails_for_a_while_does_not_cost_the_refresh_token(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    hospital.behaviour.refresh_error, hospital.behaviour.refresh_status = "server_error", 500
    later(services, 3601)
    with pytest.raises(SmartError):
        services.tokens.access_token(launch_id)
    hospital.behaviour.refresh_error = None
    assert services.tokens.access_token(launch_id)


def test_nothing_but_the_token_request_runs_under_the_lease(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    services.configurations.forget(hospital.issuer)
    hospital.behaviour.discovery = {"token_endpoint": None}
    later(services, 3601)
    with pytest.raises(SmartError):
        services.tokens.access_token(launch_id)
    with services.database.session() as session:
        row = session.get(Launch, launch_id)
    assert row is not None
    assert row.lease_owner is None
    assert refreshes(hospital) == []
    limits = services.http.limits
    assert services.tokens.lease_s >= 2 * (limits.connect_s + limits.read_s + limits.total_s)


def test_discovery_that_fails_does_not_spoil_a_token_that_still_lives(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    first = services.tokens.access_token(launch_id)
    services.configurations.forget(hospital.issuer)
    hospital.behaviour.discovery = {"token_endpoint": None}
    later(services, 3600 - 30)
    assert services.tokens.access_token(launch_id) == first


def test_token_without_refresh_token_ends_with_its_time(
    browser: Browser, services: Services, hospital: Hospital
) -> None:
    hospital.behaviour.leave_out = ("refresh_token",)
    launch_id = services.launches.by_handle(browser.open()).id
    later(services, 3599)
    assert services.tokens.access_token(launch_id)
    later(services, 3600.5)
    with pytest.raises(LaunchExpired, match="limited time"):
        services.tokens.access_token(launch_id)


def test_revoked_launch_gives_no_token(launch_id: str, services: Services) -> None:
    services.tokens.end(launch_id)
    with pytest.raises(LaunchExpired):
        services.tokens.access_token(launch_id)


def test_unknown_launch_gives_no_token(services: Services) -> None:
    with pytest.raises(LaunchExpired):
        services.tokens.access_token("nobody")


def test_record_of_a_launch_is_its_own_hospital_s(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    with pytest.raises(SmartError):
        record_of(services, services.launches.get(launch_id)).read("Patient", "p-1")
    method, path, _ = hospital.requests[-1]
    assert (method, path) == ("GET", "/fhir/Patient/p-1")


def test_hospital_without_revocation_is_left_alone(
    launch_id: str, services: Services, hospital: Hospital
) -> None:
    hospital.behaviour.discovery = {"revocation_endpoint": None}
    services.configurations.forget(hospital.issuer)
    services.tokens.end(launch_id)
    assert hospital.revoked == []
    with pytest.raises(LaunchExpired):
        services.tokens.access_token(launch_id)
