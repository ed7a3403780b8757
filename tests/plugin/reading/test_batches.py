"""Records that take no batch, not all of it, or say in one what is not so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from plugin.launching.launches import OpenLaunch
from tests.plugin.reading.conftest import MODES, Jobs, assert_stopped_cleanly
from tests.plugin.reading.hospital import Hospital, Reply, Request, fhir, outcome
from tests.plugin.reading.test_requests import assert_saved, forget_reports

pytestmark = pytest.mark.integration

MOVED = Reply(308, b"", {"Location": "/fhir/"})


def nonsense(_: Request) -> Reply:
    return fhir(200, {"resourceType": "Bundle", "type": "batch-response", "entry": []})


@pytest.mark.parametrize("ehr_changes", [{"write": "create"}], ids=str)
@pytest.mark.parametrize(
    "answer",
    [outcome(400), outcome(405), outcome(500), nonsense, Reply(200, b"<html>"), MOVED],
    ids=["400", "405", "500", "too few", "html", "moved"],
)
def test_a_record_that_takes_no_batch_is_asked_one_by_one_and_not_tried_again(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    answer: Reply | Callable[[Request], Reply],
) -> None:
    hospital.trick("BATCH", "^/fhir", answer)
    for _ in range(2):
        assert_saved(jobs.read(launch))
        forget_reports(hospital)
    jobs.read(launch)
    assert hospital.asked("BATCH", "^/fhir") == []


def asked_after(hospital: Hospital, batch: Request, path: str) -> list[Request]:
    """Requests after a batch; those that stand inside it come first."""
    later = hospital.requests[hospital.requests.index(batch) + 1 :]
    return [r for r in later if r.method == "GET" and r.path.startswith(path)]


def altered(hospital: Hospital, url: str, **changes: Any) -> Callable[[Request], Reply]:
    """A batch's answer in which the entry of one question is another one."""

    def alter(request: Request) -> Reply:
        reply = hospital._batch(request)
        body = json.loads(reply.body)
        for asked, entry in zip(request.json()["entry"], body["entry"], strict=True):
            if asked["request"]["url"].startswith(url):
                entry.clear()
                entry.update(changes)
        return fhir(200, body)

    return alter


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("DiagnosticReport?", {"response": {"status": "501 Not Implemented"}}),
        ("DiagnosticReport?", {"response": {"status": "400"}}),
        ("ImagingStudy/", {"response": {"status": "200 OK"}}),
        ("Observation/", {"response": {}}),
        ("Observation/", {}),
    ],
    ids=str,
)
def test_what_a_batch_does_not_answer_is_asked_by_itself(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, url: str, entry: dict[str, Any]
) -> None:
    hospital.trick("BATCH", "^/fhir", altered(hospital, url, **entry))
    assert_saved(jobs.read(launch))
    batch = next(r for r in hospital.requests if r.method == "BATCH")
    # Inside the batch, and once more by itself.
    assert len(asked_after(hospital, batch, f"/fhir/{url.rstrip('?/')}")) >= 2


@pytest.mark.parametrize("url", ["ImagingStudy/", "Patient/"])
def test_a_batch_that_answers_with_somebody_elses_entry_is_not_believed(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, url: str
) -> None:
    kind = url.rstrip("/")
    foreign = {"resourceType": kind, "id": "another", "meta": {"versionId": "1"}}
    wrong = altered(hospital, url, response={"status": "200"}, resource=foreign)
    hospital.trick("BATCH", "^/fhir", wrong)
    assert_saved(jobs.read(launch))
    batch = next(r for r in hospital.requests if r.method == "BATCH")
    # Inside the batch, and once more by itself.
    assert len(asked_after(hospital, batch, f"/fhir/{url}")) == 2


@pytest.mark.parametrize("kind", ["ImagingStudy", "Patient"])
@pytest.mark.parametrize("batches", [True, False])
def test_a_record_that_answers_with_somebody_elses_entry_shows_no_number(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, kind: str, batches: bool
) -> None:
    foreign = {"resourceType": kind, "id": "another", "meta": {"versionId": "1"}}
    hospital.trick("GET", f"^/fhir/{kind}/", fhir(200, foreign))
    hospital.takes_batches = batches
    assert_stopped_cleanly(jobs.read(launch), hospital, "identity_unconfirmed")


@MODES
def test_a_batch_that_is_answered_in_another_order_is_asked_one_by_one_and_not_tried_again(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, ehr_changes: dict[str, Any]
) -> None:
    def reverse(request: Request) -> Reply:
        body = json.loads(hospital._batch(request).body)
        return fhir(200, body | {"entry": body["entry"][::-1]})

    hospital.takes_batches = True
    hospital.trick("BATCH", "^/fhir", reverse)
    assert_saved(jobs.read(launch))
    assert len(hospital.asked("BATCH", "^/fhir")) == 1
    assert_saved(jobs.read(launch))
    assert len(hospital.asked("BATCH", "^/fhir")) == 1


@MODES
@pytest.mark.parametrize("status", ["404 Not Found", "403"])
def test_a_batch_that_denies_all_it_is_asked_is_not_believed_and_not_tried_again(
    jobs: Jobs,
    hospital: Hospital,
    launch: OpenLaunch,
    ehr_changes: dict[str, Any],
    status: str,
) -> None:
    def deny(request: Request) -> Reply:
        entries = [{"response": {"status": status}} for _ in request.json()["entry"]]
        return fhir(200, {"resourceType": "Bundle", "type": "batch-response", "entry": entries})

    hospital.takes_batches = True
    hospital.trick("BATCH", "^/fhir", deny)
    for _ in range(2):
        assert_saved(jobs.read(launch))
    assert len(hospital.asked("BATCH", "^/fhir")) == 1
    assert len(hospital.of_type("DiagnosticReport")) == 1


def test_a_batch_that_denies_a_search_is_not_taken_for_one_that_found_nothing(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch
) -> None:
    denied = altered(hospital, "DiagnosticReport?", response={"status": "404"})
    hospital.trick("BATCH", "^/fhir", denied)
    assert_saved(jobs.read(launch))
    assert len(hospital.asked("BATCH", "^/fhir")) == 1


@pytest.mark.parametrize("url", ["DiagnosticReport/", "Observation/"])
def test_a_place_that_the_user_may_not_see_is_not_written_to(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, url: str
) -> None:
    hidden = altered(hospital, url, response={"status": "403 Forbidden"})
    hospital.trick("BATCH", "^/fhir", hidden)
    row = jobs.read(launch)
    assert row.report is not None
    assert row.report["saved"] is False
    assert not [r for r in hospital.requests if r.method in ("POST", "PUT")]


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize(
    ("url", "code"),
    [("ImagingStudy/", "study_reassigned"), ("Patient/", "identity_unconfirmed")],
)
def test_a_study_or_patient_that_is_gone_from_the_last_look_leaves_no_number(
    jobs: Jobs, hospital: Hospital, launch: OpenLaunch, status: int, url: str, code: str
) -> None:
    hospital.trick("GET", f"^/fhir/{url}", outcome(status))
    assert_stopped_cleanly(jobs.read(launch), hospital, code)
    # The batch was right, so that it is asked again the next time.
    assert_stopped_cleanly(jobs.read(launch), hospital, code)
    assert len(hospital.asked("BATCH", "^/fhir")) == 2
