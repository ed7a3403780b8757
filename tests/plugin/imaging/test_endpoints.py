"""Which archive is asked, and which never hears of the user's token."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugin.errors import LaunchExpired
from plugin.imaging.endpoints import ArchiveRules, choose_archive
from plugin.imaging.imaging_study import Study, read_study_resource
from plugin.imaging.pacs_errors import PacsError
from tests.plugin.imaging.archive import SERIES, Archive
from tests.plugin.imaging.conftest import FHIR, Fetching, series_entry
from tests.plugin.reading.samples import endpoint, imaging_study
from tests.smart_launch.loopback import Says

FIRST, SECOND, _ = SERIES
PACS = "https://pacs.example"
RULES = ArchiveRules(FHIR, (PACS,))
TOKEN_FLAG = "http://fhir.org/argonaut/smart-imaging/StructureDefinition/requires-access-token"


def flagged(place: dict[str, Any], wants_token: bool) -> dict[str, Any]:
    return place | {"extension": [{"url": TOKEN_FLAG, "valueBoolean": wants_token}]}


def read(resource: dict[str, Any], *external: dict[str, Any], rules: ArchiveRules = RULES) -> Study:
    known = {one["id"]: one for one in external}
    return read_study_resource(resource, known, rules, frozenset({"CR"}))


def chosen(*places: dict[str, Any], rules: ArchiveRules = RULES) -> tuple[str | None, str | None]:
    """Address, or the reason why none, of a study with these Endpoints."""
    named = {one["id"]: one for one in places}
    choice = choose_archive([f"Endpoint/{one}" for one in named], {}, named, rules)
    return (choice.archive.url if choice.archive else None), choice.why_not


@pytest.mark.parametrize(
    "reference",
    ["#pacs", "Endpoint/pacs", f"{FHIR}/Endpoint/pacs"],
    ids=["inside", "id", "address"],
)
def test_an_endpoint_is_found_inside_the_study_and_beside_it(reference: str) -> None:
    place = endpoint("pacs", f"{PACS}/dicomweb/")
    inside = {"contained": [place] if reference.startswith("#") else []}
    study = read(imaging_study(endpoint=[{"reference": reference}], **inside), place)
    assert study.archive is not None
    assert study.archive.url == f"{PACS}/dicomweb"


@pytest.mark.parametrize(
    "reference", ["#other", "Endpoint/other", "https://elsewhere.example/fhir/Endpoint/pacs"]
)
def test_an_endpoint_of_another_name_or_of_another_server_is_none(reference: str) -> None:
    study = read(imaging_study(endpoint=[{"reference": reference}]), endpoint("pacs", PACS))
    assert (study.archive, study.why_not) == (None, "no_endpoint")


@pytest.mark.parametrize("status", ["suspended", "error", "off", "entered-in-error"])
def test_an_endpoint_that_is_not_in_use_is_not_asked(status: str) -> None:
    off = endpoint("a", f"{PACS}/a") | {"status": status}
    assert chosen(off) == (None, "no_endpoint")
    assert chosen(off, endpoint("b", f"{PACS}/b")) == (f"{PACS}/b", None)


def test_an_endpoint_for_tests_is_asked_only_where_there_is_no_other() -> None:
    test = endpoint("a", f"{PACS}/a") | {"status": "test"}
    assert chosen(test) == (f"{PACS}/a", None)
    assert chosen(test, endpoint("b", f"{PACS}/b")) == (f"{PACS}/b", None)


def test_of_several_endpoints_the_first_that_can_be_used_is_taken() -> None:
    viewer = endpoint("viewer", f"{PACS}/viewer", "ihe-iid")
    foreign = endpoint("foreign", "https://foreign.example/dicomweb")
    places = viewer, foreign, endpoint("one", f"{PACS}/one"), endpoint("two", f"{PACS}/two")
    assert chosen(*places) == (f"{PACS}/one", None)
    assert chosen(viewer, foreign) == (None, "endpoint_refused")
    assert chosen(viewer) == (None, "endpoint_kind")
    assert chosen() == (None, "no_endpoint")


@pytest.mark.parametrize(
    "address",
    [
        "https://pacs.example.evil.test/dicomweb",
        "https://pacs.example@evil.test/dicomweb",
        "https://pacs.example:8443/dicomweb",
        "https://pacs.example\\@evil.test/",
        "http://pacs.example/dicomweb",
        "//pacs.example/dicomweb",
        "https://user:word@pacs.example/dicomweb",
        "https://pacs.example/dicomweb?to=https://evil.test",
        "https://pacs.example/dicomweb#x",
        "https://pacs.example /dicomweb",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "",
    ],
)
@pytest.mark.parametrize("wants_token", [True, False])
def test_an_address_outside_the_registered_origins_is_refused_with_or_without_a_token(
    address: str, wants_token: bool
) -> None:
    assert chosen(flagged(endpoint("a", address), wants_token)) == (None, "endpoint_refused")


def test_an_origin_is_the_same_with_its_usual_port_and_in_capitals() -> None:
    assert chosen(endpoint("a", "https://PACS.example:443/x")) == (
        "https://PACS.example:443/x",
        None,
    )


@settings(deadline=None)
@given(st.text(max_size=40), st.booleans())
def test_no_text_is_an_allowed_address_unless_it_begins_with_a_registered_origin(
    text: str, after_a_host: bool
) -> None:
    address = f"https://pacs.example{text}" if after_a_host else text
    if RULES.allows(address):
        host = address.lower().removeprefix("https://pacs.example").removeprefix(":443")
        assert address.lower().startswith("https://pacs.example")
        assert host[:1] in ("", "/", ":")
    assert not ArchiveRules(FHIR, ()).allows(address)


@pytest.mark.parametrize("kind", [None, [], ["dicom-wado-rs"], "dicom-wado-rs", {}, {"code": None}])
def test_a_connection_type_of_any_shape_is_no_wado_rs(kind: object) -> None:
    assert chosen(endpoint("a", PACS) | {"connectionType": kind}) == (None, "endpoint_kind")


def test_the_endpoint_of_a_series_goes_before_that_of_the_study(
    archive: Archive, other_archive: Archive, fetching: Fetching
) -> None:
    here, there = archive.holds(FIRST, 2), other_archive.holds(SECOND, 2)
    entries = [series_entry(FIRST, here), series_entry(SECOND, there)]
    entries[1]["endpoint"] = [{"reference": "#there"}]
    places = [endpoint("pacs", archive.url), endpoint("there", other_archive.url)]
    resource = imaging_study(contained=places, series=entries, numberOfInstances=4)
    rules = ArchiveRules(FHIR, (archive.book.url, other_archive.book.url))
    fetched = fetching(read(resource, rules=rules))
    assert [one.sop_instance_uid for one in fetched.facts] == [*here, *there]
    assert (archive.asked(), other_archive.asked()) == ([f"series/{FIRST}"], [f"series/{SECOND}"])


def test_a_series_in_an_archive_that_is_not_registered_stops_the_study(
    archive: Archive, other_archive: Archive
) -> None:
    entries = [series_entry(FIRST, ["1.2"]), series_entry(SECOND, ["1.3"])]
    entries[1]["endpoint"] = [{"reference": "#there"}]
    places = [endpoint("pacs", archive.url), endpoint("there", other_archive.url)]
    resource = imaging_study(contained=places, series=entries, numberOfInstances=2)
    study = read(resource, rules=ArchiveRules(FHIR, (archive.book.url,)))
    assert study.why_not == "endpoint_refused"
    assert (archive.asked(), other_archive.asked()) == ([], [])


def test_the_token_goes_to_the_archive_of_this_ehr(archive: Archive, fetching: Fetching) -> None:
    study = _study(archive, flagged(endpoint("pacs", archive.url), True))
    fetching(study)
    sent = {one.headers.get("Authorization") for one in archive.book.asked}
    assert sent == {"Bearer token-1"}


def test_an_address_that_is_itself_the_secret_gets_no_token_and_is_never_told(
    archive: Archive, fetching: Fetching, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "s3cr3t-in-the-path"
    place = flagged(endpoint("pacs", f"{archive.book.url}/{secret}/dicomweb"), False)
    study = _study(archive, place)
    caplog.set_level(logging.INFO)
    with pytest.raises(PacsError) as caught:
        fetching(study)
    assert archive.book.asked
    assert not any("Authorization" in one.headers for one in archive.book.asked)
    assert all(one.path.startswith(f"/{secret}/") for one in archive.book.asked)
    said = repr(study.archive) + str(caught.value) + repr(caught.value) + caplog.text
    assert secret not in said


def test_a_secret_address_that_answers_401_is_not_offered_a_token(
    archive: Archive, fetching: Fetching
) -> None:
    study = _study(archive, flagged(endpoint("pacs", archive.url), False))
    archive.says(Says(401), FIRST)
    with pytest.raises(LaunchExpired):
        fetching(study)
    assert not any("Authorization" in one.headers for one in archive.book.asked)
    assert fetching.renewals == []


def _study(archive: Archive, place: dict[str, Any]) -> Study:
    entry = series_entry(FIRST, archive.holds(FIRST, 2))
    resource = imaging_study(contained=[place], series=[entry], numberOfInstances=2)
    return read(resource, rules=ArchiveRules(FHIR, (archive.book.url,)))
