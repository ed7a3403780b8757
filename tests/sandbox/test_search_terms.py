"""Dates, escapes and folding: properties that hold for any input."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import FhirProblem
from sandbox.fhir.dates import interval_of
from sandbox.fhir.elements import local_reference, replace_prefix
from sandbox.fhir.index import fold
from sandbox.fhir.search_query import plan_search, split_values
from tests.sandbox.patience import unhurried

ZONES = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
SECONDS = st.integers(-2_200_000_000, 4_100_000_000)  # 1900 to 2099
MOMENTS = st.builds(datetime.fromtimestamp, SECONDS, ZONES)


@unhurried
@given(MOMENTS)
def test_instants_are_compared_in_one_time_zone(moment: datetime) -> None:
    low, high = interval_of(moment.isoformat())
    assert low == moment.timestamp()
    assert high == low + 1
    assert interval_of(moment.astimezone(UTC).isoformat()) == (low, high)


@unhurried
@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_a_day_lies_in_its_month_and_its_month_in_its_year(day: date) -> None:
    year, month, whole = (interval_of(day.isoformat()[:length]) for length in (4, 7, 10))
    assert year[0] <= month[0] <= whole[0] < whole[1] <= month[1] <= year[1]
    assert whole[1] - whole[0] == 86400


@unhurried
@given(st.text(max_size=30))
def test_any_text_is_a_date_or_refused(text: str) -> None:
    try:
        low, high = interval_of(text)
    except ValueError:
        return
    assert low < high


@unhurried
@given(st.lists(st.text(st.sampled_from("ab,|\\$"), max_size=5), min_size=1, max_size=4))
def test_escaped_values_come_apart_as_they_were_joined(values: list[str]) -> None:
    escaped = [v.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|") for v in values]
    assert split_values(",".join(escaped)) == escaped


@unhurried
@given(st.text(max_size=20))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:60Z", "2026-11-22T10:00:61Z", "2026-11-22T10:00:00+15:00", "0000"]
)
def test_dates_that_no_clock_shows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="date"):
        interval_of(text)


def test_folding_takes_case_and_accents_away() -> None:
    assert fold("Ångström É") == "angstrom e"


NAMES = st.sampled_from(
    ["_id", "name", "identifier", "birthdate", "_lastUpdated", "_sort", "_count"]
)


@unhurried
@given(st.lists(st.tuples(NAMES, st.text(max_size=12)), max_size=4))
def test_any_search_is_planned_or_refused(parameters: list[tuple[str, str]]) -> None:
    with contextlib.suppress(FhirProblem):
        assert 0 <= plan_search("Patient", parameters, "http://h/fhir/r4", 10).count <= 200


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Patient/a-1", ("Patient", "a-1")),
        ("Patient/a/_history/2", ("Patient", "a")),
        ("#contained", None),
        ("urn:uuid:1", None),
        ("https://other.example/Patient/a", None),
        ("Patient/../Endpoint/x", None),
        ("Patient/", None),
    ],
)
def test_only_plain_references_are_local(text: str, found: tuple[str, str] | None) -> None:
    assert local_reference(text) == found


def test_addresses_are_rewritten_only_at_a_boundary() -> None:
    document = {"a": ["http://h:1/x", "http://h:12/x"], "b": "http://h:1", "c": 1}
    expected = {"a": ["http://n/x", "http://h:12/x"], "b": "http://n", "c": 1}
    assert replace_prefix(document, "http://h:1", "http://n") == expected
