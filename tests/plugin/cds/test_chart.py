"""What the cards are made from: prefetched, or fetched with the EHR's own token, whole or not."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from plugin.cds.chart import MOST_WAITING
from tests.plugin.cds.conftest import Send, cards_of, code_of
from tests.plugin.cds.ehr import PATIENT, CallingEhr, ai_report, bundle, prefetch, report, study


def asking(ehr: CallingEhr, data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A call with these data and with a token."""
    return ehr.call(prefetch=data, fhirAuthorization=ehr.authorization(**changes))


def test_prefetched_chart_makes_no_request(send: Send, ehr: CallingEhr) -> None:
    (card,) = cards_of(send(asking(ehr, prefetch([study()]))))
    assert "no report" in card["summary"]
    assert ehr.asked("/ImagingStudy") + ehr.asked("/DiagnosticReport") == 0


def test_null_says_that_there_is_nothing(send: Send, ehr: CallingEhr) -> None:
    data = prefetch([study()]) | {"reports": None}
    assert len(cards_of(send(ehr.call(prefetch=data)))) == 1
    assert cards_of(send(ehr.call(prefetch=data | {"studies": None}))) == []


NOT_WHOLE = {
    "absent": "absent",
    "failed": {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]},
    "no resource": "text",
    "another resource": {"resourceType": "Patient", "id": "x"},
    "further page": bundle(report(), link=[{"relation": "next", "url": "https://ehr/next"}]),
    "fewer than counted": bundle(report(), total=2),
    "no list": {"resourceType": "Bundle", "entry": {"resource": {}}},
    "misshapen": bundle(report(status=["final"])),
}


@pytest.mark.parametrize("reports", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_what_is_not_whole_is_fetched(send: Send, ehr: CallingEhr, reports: Any) -> None:
    data = prefetch([study(1), study(2)]) | {"reports": reports}
    if reports == "absent":
        del data["reports"]
    ehr.behaviour.record = {"DiagnosticReport": [report(1), report(2)]}
    assert cards_of(send(asking(ehr, data))) == []
    assert ("/fhir/DiagnosticReport", "Bearer cds-access-token") in ehr.requests
    assert ehr.asked("/ImagingStudy") == 0


@pytest.mark.parametrize("reports", NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_what_is_not_whole_and_cannot_be_fetched_makes_no_card(
    send: Send, ehr: CallingEhr, reports: Any
) -> None:
    data = prefetch([study()]) | {"reports": reports}
    if reports == "absent":
        del data["reports"]
    answer = send(ehr.call(prefetch=data))
    assert (answer.status_code, code_of(answer)) == (412, "data_missing")


def test_whole_chart_may_be_fetched(send: Send, ehr: CallingEhr) -> None:
    ehr.behaviour.record = {"ImagingStudy": [study(1), study(2)], "DiagnosticReport": [report(1)]}
    body = ehr.call(prefetch=None, fhirAuthorization=ehr.authorization())
    (card,) = cards_of(send(body))
    assert [link["appContext"] for link in card["links"]] == [
        '{"study": "study-2", "uid": "2.25.2"}'
    ]


@pytest.mark.parametrize("scope", ["user/*.rs", "patient/*.read", "system/*.rs"])
def test_broader_scopes_do(send: Send, ehr: CallingEhr, scope: str) -> None:
    ehr.behaviour.record = {"ImagingStudy": [study()]}
    assert len(cards_of(send(asking(ehr, {}, scope=scope)))) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"subject": "another-app"}, "authorization_foreign"),
        ({"scope": "patient/ImagingStudy.rs"}, "scopes_missing"),
        ({"scope": "patient/ImagingStudy.r patient/DiagnosticReport.r"}, "scopes_missing"),
        ({"scope": "openid"}, "scopes_missing"),
    ],
)
def test_token_that_is_not_for_this_is_not_used(
    send: Send, ehr: CallingEhr, changes: dict[str, Any], code: str
) -> None:
    answer = send(asking(ehr, {}, **changes))
    assert (answer.status_code, code_of(answer)) == (412, code)
    assert all(authorization is None for _, authorization in ehr.requests)


def test_record_that_refuses_makes_no_card(send: Send, ehr: CallingEhr) -> None:
    for status in (401, 403, 500):
        ehr.behaviour.record_status = status
        answer = send(asking(ehr, {}))
        assert (answer.status_code, code_of(answer)) == (412, "record_refused")


def test_slow_record_makes_no_card_and_no_slow_answer(send: Send, ehr: CallingEhr) -> None:
    send()  # the keys are there
    ehr.behaviour.record_delay_s = 1.0
    started = time.monotonic()
    answer = send(asking(ehr, {}))
    assert time.monotonic() - started < 0.5
    assert answer.status_code == 412
    assert code_of(answer) in ("record_slow", "record_refused")


def test_few_calls_wait_for_a_slow_record(send: Send, ehr: CallingEhr) -> None:
    send()  # the keys are there
    ehr.behaviour.record_delay_s = 0.6

    def called(_: int) -> tuple[str, float]:
        started = time.monotonic()
        code = code_of(send(asking(ehr, {})))
        return code, time.monotonic() - started

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(called, range(8)))
    waited = [code for code, _ in answers if code != "record_busy"]
    assert len(waited) == MOST_WAITING
    assert all(spent < 0.3 for code, spent in answers if code == "record_busy")


def test_studies_and_reports_of_others_are_ignored(send: Send, ehr: CallingEhr) -> None:
    other = {"reference": "Patient/somebody-else"}
    assert cards_of(send(ehr.call(prefetch=prefetch([study(subject=other)])))) == []
    assert cards_of(send(ehr.call(prefetch=prefetch([study(subject=None)])))) == []
    # Nor does somebody else's report make a study look read.
    data = prefetch([study()], [report(subject=other)])
    assert len(cards_of(send(ehr.call(prefetch=data)))) == 1
    ehr.behaviour.record = {"ImagingStudy": [study(subject=other)]}
    assert cards_of(send(asking(ehr, {}))) == []


def test_record_of_the_same_person_counts_when_the_patient_says_so(
    send: Send, ehr: CallingEhr
) -> None:
    old = study(subject={"reference": "Patient/clark-old"})
    link = [{"other": {"reference": "Patient/clark-old"}, "type": "replaces"}]
    assert len(cards_of(send(ehr.call(prefetch=prefetch([old], link=link))))) == 1
    # Not when somebody else's Patient says so.
    claimed = prefetch([old], link=link, id="clark-old")
    assert cards_of(send(ehr.call(prefetch=claimed))) == []


def test_subject_may_be_absolute_but_of_this_record(send: Send, ehr: CallingEhr) -> None:
    for base, cards in ((ehr.issuer, 1), ("https://elsewhere.example/fhir", 0)):
        subject = {"reference": f"{base}/Patient/{PATIENT}"}
        answer = send(ehr.call(prefetch=prefetch([study(subject=subject)])))
        assert len(cards_of(answer)) == cards


def test_reports_of_wetread_may_be_fetched_too(send: Send, ehr: CallingEhr) -> None:
    ehr.behaviour.record = {"ImagingStudy": [study()], "DiagnosticReport": [ai_report()]}
    (card,) = cards_of(send(asking(ehr, {})))
    assert "unverified AI reading" in card["summary"]
