"""What the cards are made from: prefetched, or fetched with the EHR's own token, whole or not."""

from __future__ import annotations

from typing import Any

import pytest

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


def outcome(severity: str | None, code: str) -> dict[str, Any]:
    """A searchset in which the server says something of its search."""
    issue = {"code": code} | ({"severity": severity} if severity else {})
    said = {"resourceType": "OperationOutcome", "issue": [issue]}
    return bundle(entry=[{"resource": said, "search": {"mode": "outcome"}}])


NOT_WHOLE = {
    "absent": "absent",
    "failed": {"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]},
    "no resource": "text",
    "another resource": {"resourceType": "Patient", "id": "x"},
    "further page": bundle(report(), link=[{"relation": "next", "url": "https://ehr/next"}]),
    "fewer than counted": bundle(report(), total=2),
    "no list": {"resourceType": "Bundle", "entry": {"resource": {}}},
    "misshapen": bundle(report(status=["final"])),
    "no searchset": bundle(type="collection"),
    "further page without address": bundle(link=[{"relation": "next"}]),
    "links that are none": bundle(link="https://ehr/next"),
    "one entry twice": bundle(report(2), report(2), total=2),
    "a match of another kind": bundle({"resourceType": "DocumentReference", "id": "x"}, total=0),
    "an error": outcome("error", "processing"),
    "left out": outcome("information", "suppressed"),
    "incomplete": outcome("warning", "incomplete"),
    "unclear": outcome(None, "informational"),
    "no issue": bundle(entry=[{"resource": {"resourceType": "OperationOutcome"}}]),
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


@pytest.mark.parametrize(
    "changes",
    [
        *({"entry": whole["entry"], "total": None} for whole in (
            outcome("error", "processing"), outcome("warning", "suppressed"),
        )),
        {"total": 5},
        {"type": "history"},
        {"entry": [{"fullUrl": "https://ehr/DiagnosticReport/1"}], "total": None},
        {"entry": [{"resource": report(), "search": {"mode": "outcome"}}]},
    ],
)  # fmt: skip
def test_what_is_fetched_must_be_whole_too(
    send: Send, ehr: CallingEhr, changes: dict[str, Any]
) -> None:
    ehr.behaviour.record_changes = changes
    data = prefetch([study()])
    del data["reports"]
    answer = send(asking(ehr, data))
    assert (answer.status_code, code_of(answer)) == (412, "record_refused")


def test_word_that_takes_nothing_away_does_no_harm(send: Send, ehr: CallingEhr) -> None:
    for severity, code in (("information", "informational"), ("warning", "not-supported")):
        data = prefetch([study()]) | {"reports": outcome(severity, code)}
        assert len(cards_of(send(ehr.call(prefetch=data)))) == 1


def test_report_that_only_came_along_counts(send: Send, ehr: CallingEhr) -> None:
    along = {"resource": report(), "search": {"mode": "include"}}
    data = prefetch([study()]) | {"reports": bundle(entry=[along])}
    assert cards_of(send(ehr.call(prefetch=data))) == []


def test_pages_are_counted_together(send: Send, ehr: CallingEhr) -> None:
    ehr.behaviour.record = {"DiagnosticReport": [report(1)]}
    ehr.behaviour.record_pages = 3
    data = prefetch([study(1), study(2)])
    del data["reports"]
    (card,) = cards_of(send(asking(ehr, data)))
    assert "2 Mar 2026" in card["summary"]
    assert ehr.asked("/DiagnosticReport") == 3


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


def test_studies_of_others_are_not_named(send: Send, ehr: CallingEhr) -> None:
    other = {"reference": "Patient/somebody-else"}
    assert cards_of(send(ehr.call(prefetch=prefetch([study(subject=other)])))) == []
    assert cards_of(send(ehr.call(prefetch=prefetch([study(subject=None)])))) == []
    ehr.behaviour.record = {"ImagingStudy": [study(subject=other)]}
    assert cards_of(send(asking(ehr, {}))) == []


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": f"http://ehr-internal:8080/fhir/Patient/{PATIENT}"},
        {"reference": "Patient/clark-old"},
        {"reference": "#patient"},
        {"identifier": {"system": "https://hospital.example/mrn", "value": "1"}},
        None,
    ],
)
def test_report_that_was_given_for_the_patient_silences_whoever_it_names(
    send: Send, ehr: CallingEhr, subject: dict[str, Any] | None
) -> None:
    for alone in (report(1, subject=subject), ai_report(1, subject=subject)):
        data = prefetch([study(1), study(2)], [alone])
        for chart in (data, {k: v for k, v in data.items() if k != "patient"}):
            (card,) = cards_of(send(ehr.call(prefetch=chart)))
            assert card["summary"] == "Chest X-ray of 2 Mar 2026: no report in the chart yet"


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
