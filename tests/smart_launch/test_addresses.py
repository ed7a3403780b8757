from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_launch.addresses import is_below, is_loopback, origin, resolve, split_secure
from smart_launch.errors import TransportError

BASE = "https://ehr.example/fhir/r4"


@pytest.mark.parametrize(
    "url",
    [
        "https://ehr.example",
        "https://ehr.example:8443/fhir?x=1",
        "http://localhost:8080/fhir/r4",
        "http://127.0.0.1:8080/fhir",
        "http://127.9.9.9/",
        "http://[::1]:8080/",
    ],
)
def test_https_and_loopback_may_be_called(url: str) -> None:
    assert split_secure(url).geturl() == url


@pytest.mark.parametrize(
    "url",
    [
        "http://ehr.example/fhir",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1\\@evil.example/",
        "https://ehr.example@evil.example/",
        "https://user:word@ehr.example/",
        "https://@ehr.example/",
        "https://ehr.example/#part",
        "https://ehr.example/#",
        "https:///fhir",
        "//ehr.example/fhir",
        "/fhir",
        "",
        "ftp://ehr.example/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://ehr.example/a b",
        "https://ehr.example/\r\nHost: evil",
        "https://ehr\t.example/",
        "https://ehr.example:99999/",
        "https://ehr.example:0/",
        "https://[broken/",
        "https://ehr.exämple/",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(TransportError, match="address_refused"):
        split_secure(url)


@given(st.text(max_size=60))
def test_no_text_makes_the_check_fall_over(text: str) -> None:
    for candidate in (text, "http://" + text, "https://" + text):
        try:
            parts = split_secure(candidate)
        except TransportError:
            continue
        assert parts.scheme == "https" or is_loopback(parts.hostname or "")


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://EHR.example/a") == origin("https://ehr.example:443/b")
    assert origin("https://ehr.example") != origin("https://ehr.example:8443")
    assert origin("http://localhost") != origin("https://localhost")


@pytest.mark.parametrize(
    "url",
    [BASE, BASE + "/", BASE + "/Patient/1", BASE + "?_getpages=1", "https://EHR.example/fhir/r4/x"],
)
def test_addresses_below_the_base_are_recognised(url: str) -> None:
    assert is_below(url, BASE)
    assert is_below(url, BASE + "/")


@pytest.mark.parametrize(
    "url",
    [
        "https://ehr.example/fhir",
        "https://ehr.example/fhir/r4b/Patient/1",
        "https://ehr.example:8443/fhir/r4/Patient/1",
        "https://other.example/fhir/r4/Patient/1",
        "https://ehr.example.evil.example/fhir/r4/Patient/1",
        "http://ehr.example/fhir/r4/Patient/1",
        "https://ehr.example/fhir/r4/../../admin",
        "https://ehr.example/fhir/r4/%2e%2e/%2e%2e/admin",
        "https://ehr.example/fhir/r4/%252e%252e/admin",
        "https://ehr.example/fhir/r4/..%2fadmin",
        "https://ehr.example/fhir/r4/..%5cadmin",
        "https://ehr.example/fhir/r4/./x",
        "Patient/1",
        "",
    ],
)
def test_addresses_outside_the_base_are_recognised(url: str) -> None:
    assert not is_below(url, BASE)


@pytest.mark.parametrize("base", [BASE, BASE + "/"])
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("auth/token", "https://ehr.example/fhir/r4/auth/token"),
        ("../../auth/token", "https://ehr.example/auth/token"),
        ("/auth/token", "https://ehr.example/auth/token"),
        ("https://login.example/token", "https://login.example/token"),
    ],
)
def test_relative_addresses_belong_to_the_fhir_base(base: str, address: str, expected: str) -> None:
    assert resolve(base, address) == expected
