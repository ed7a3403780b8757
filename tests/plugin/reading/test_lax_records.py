"""Records that answer 200 to every PUT, or that refuse a condition that R4 does not define."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from plugin.launching.launches import OpenLaunch
from tests.plugin.reading.conftest import Jobs
from tests.plugin.reading.hospital import Hospital, Reply, Request, outcome
from tests.plugin.reading.test_races import HUMAN, OWN_IDS, sign_at_the_last_moment
from tests.plugin.reading.test_requests import forget_reports

pytestmark = pytest.mark.integration

_HISTORY = re.compile("_history$")


def says_200(hospital: Hospital, version: str | None = None) -> None:
    """Answer 200 for 201; with `version` "" without one, with another text with that prefix."""

    def lax(request: Request) -> Reply:
        found = hospital._fhir(request)
        if found.status >= 400:
            return found
        body, headers = json.loads(found.body), dict(found.headers)
        for entry in body.get("entry", ()):
            entry["response"]["status"] = "200 OK"
        if version is not None:
            body.pop("meta", None)
            headers.pop("ETag", None)
            headers.pop("Location", None)
        return Reply(200, json.dumps(body).encode(), headers)

    def opaque(request: Request) -> Reply:
        found = hospital._fhir(request)
        text = found.body.decode().replace('"versionId": "', f'"versionId": "{version}')
        headers = dict(found.headers)
        if "ETag" in headers:
            headers["ETag"] = headers["ETag"].replace('W/"', f'W/"{version}')
        return Reply(found.status, text.encode(), headers)

    hospital.trick("PUT", "^/fhir/", lax)
    hospital.trick("POST", "^/fhir/?$", lax)
    if version:
        hospital.trick("GET", "^/fhir/(Observation|DiagnosticReport)/", opaque)


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    names = ("entry_replaced", "history_unread", "history_unclear")
    return [one.message for one in caplog.records if one.message in names]


@OWN_IDS
@pytest.mark.parametrize("version", [None, "", "MTY"], ids=["named", "unnamed", "opaque"])
def test_200_for_a_new_entry_raises_no_alarm(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    version: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    says_200(hospital, version)
    for sentence in ("is in the record", "already held"):
        row = jobs.read(launch)
        assert row.report is not None
        assert row.report["saved"] is True
        assert sentence in row.report["sentence"]
        assert "administrator" not in row.report["sentence"]
    assert [one["status"] for one in hospital.of_type("Observation")] == ["preliminary"]
    assert alarms(caplog) == []


@OWN_IDS
@pytest.mark.parametrize("version", [None, "", "MTY"], ids=["named", "unnamed", "opaque"])
def test_an_entry_written_over_is_found_in_the_history_of_a_record_that_always_says_200(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    version: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sign_at_the_last_moment(hospital)
    says_200(hospital, version)
    row = jobs.read(launch)
    assert row.report is not None
    assert "administrator at once" in row.report["sentence"]
    assert alarms(caplog) == ["entry_replaced"]


@OWN_IDS
@pytest.mark.parametrize("status", [400, 403, 404, 501])
def test_where_the_history_cannot_be_read_the_log_has_a_warning_and_the_user_no_alarm(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    says_200(hospital, "MTY")
    hospital.tricks.insert(0, ("GET", _HISTORY, lambda _: outcome(status)))
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True
    assert alarms(caplog) == ["history_unread", "history_unread"]


@OWN_IDS
def test_a_history_without_our_version_is_unclear(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    says_200(hospital, "MTY")
    empty = Reply(200, b'{"resourceType": "Bundle", "type": "history"}')
    hospital.tricks.insert(0, ("GET", _HISTORY, lambda _: empty))
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True
    assert alarms(caplog) == ["history_unclear", "history_unclear"]


def refuses_the_condition(hospital: Hospital, put: str = "^/fhir/") -> None:
    def refuse(request: Request) -> Reply | None:
        asked = b"ifNoneMatch" in request.body or "if-none-match" in request.headers
        return outcome(400) if asked else None

    hospital.trick("PUT", put, refuse)
    hospital.trick("POST", "^/fhir/?$", refuse)


@OWN_IDS
def test_a_record_that_refuses_if_none_match_is_written_to_without_it(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuses_the_condition(hospital)
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True
    (report,) = hospital.of_type("DiagnosticReport")
    assert report["meta"]["versionId"] == "1"
    assert alarms(caplog) == []


@OWN_IDS
def test_before_writing_without_if_none_match_the_record_is_looked_at_again(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    sign_at_the_last_moment(hospital)  # with the request that is refused
    refuses_the_condition(hospital, "^/fhir/DiagnosticReport")
    row = jobs.read(launch)
    (report,) = hospital.of_type("DiagnosticReport")
    assert (report["status"], report["conclusion"]) == tuple(HUMAN.values())
    assert row.report is not None
    assert (row.report["saved"], row.report["status"]) == (False, "final")


@OWN_IDS
def test_a_report_that_is_refused_for_itself_is_sent_once_more_and_no_more(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    hospital.trick("PUT", "^/fhir/Observation", outcome(422))
    hospital.trick("POST", "^/fhir/?$", outcome(422))
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is False
    assert len(hospital.asked("PUT", "^/fhir/") + hospital.asked("POST", "^/fhir/?$")) == 2


@OWN_IDS
def test_a_condition_that_was_refused_is_not_sent_again_for_a_while(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    refuses_the_condition(hospital)
    hospital.reads_in_transactions = False
    for _ in range(3):
        jobs.read(launch)
        forget_reports(hospital)
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is True
    writes = [r for r in hospital.requests if r.method in ("PUT", "POST")]
    assert len(writes) == (1 if ehr_changes["write"] == "transaction-put" else 3)
    for one in writes:
        assert b"ifNoneMatch" not in one.body
        assert "if-none-match" not in one.headers


@OWN_IDS
def test_a_record_for_which_what_is_not_there_has_no_version_is_asked_once_and_written_to(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    hospital.of_version_0 = "strict"
    first = jobs.read(launch)
    forget_reports(hospital)
    hospital.requests.clear()
    second = jobs.read(launch)
    for row in (first, second):
        assert row.report is not None
        assert row.report["saved"] is True
    writes = [r for r in hospital.requests if r.method in ("PUT", "POST")]
    conditions = [r.headers.get("if-match", "") + r.body.decode() for r in writes]
    assert not [one for one in conditions if 'W/"0"' in one or 'W/\\"0\\"' in one]


def test_before_writing_to_a_record_without_version_0_it_is_looked_at_again(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    hospital.of_version_0 = "strict"
    sign_at_the_last_moment(hospital)
    row = jobs.read(launch)
    (report,) = hospital.of_type("DiagnosticReport")
    assert (report["status"], report["conclusion"]) == tuple(HUMAN.values())
    assert row.report is not None
    assert (row.report["saved"], row.report["status"]) == (False, "final")
