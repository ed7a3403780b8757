"""Sign-in, patient picker and consent, and the usual attacks on them."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import requests

from sandbox.server import RunningSandbox
from tests.sandbox.smart_client import SCOPES, FhirSession, SmartClient, answer_of

STANDALONE = f"{SCOPES.removeprefix('launch ')} launch/patient"


@dataclass
class Browser:
    """A person with a browser: a cookie jar, and eyes for the form's hidden fields."""

    hospital: RunningSandbox
    session: requests.Session

    def open(self, client: SmartClient, scope: str = STANDALONE) -> requests.Response:
        address = f"{self.hospital.base_url}/auth/authorize"
        parameters = client.request(launch=None, scope=scope)
        return self.session.get(address, params=parameters, timeout=10)

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        action = re.search(r'action="([^"]+)"', page.text)
        assert action, page.text
        address = f"{self.hospital.base_url}{action[1]}"
        return self.session.post(
            address, data={**hidden, **fields}, allow_redirects=False, timeout=10
        )

    def follow(self, response: requests.Response) -> requests.Response:
        assert response.status_code == 303, response.text
        address = f"{self.hospital.base_url}{response.headers['Location']}"
        return self.session.get(address, timeout=10)

    def sign_in(
        self, client: SmartClient, user: str = "Practitioner/demo-radiologist"
    ) -> requests.Response:
        return self.follow(self.submit(self.open(client), user=user))


@pytest.fixture
def browser(hospital: RunningSandbox) -> Browser:
    with requests.Session() as session:
        yield Browser(hospital, session)


def test_staff_sign_in_choose_a_patient_and_agree(browser: Browser, client: SmartClient) -> None:
    consent = browser.sign_in(client)
    assert "read ImagingStudy" not in consent.text
    assert "read, search ImagingStudy records of this patient" in consent.text
    done = browser.submit(consent, patient="Patient/mayer-rosa", decision="allow")
    answer = answer_of(done)
    assert answer["state"] == "s" * 22
    token = client.token(client.code_form(answer["code"])).json()
    assert token["patient"] == "mayer-rosa"
    fhir = FhirSession(client.hospital, token["access_token"])
    assert fhir.get("/Patient/mayer-rosa").status_code == 200
    assert fhir.get("/Patient/clark-dan").status_code == 403


def test_person_who_does_not_agree_gives_no_code(browser: Browser, client: SmartClient) -> None:
    done = browser.submit(browser.sign_in(client), decision="deny")
    answer = answer_of(done)
    assert answer["error"] == "access_denied"
    assert "code" not in answer


def test_patient_may_choose_only_himself(browser: Browser, client: SmartClient) -> None:
    consent = browser.sign_in(client, user="Patient/clark-dan")
    assert "mayer-rosa" not in consent.text
    refused = browser.submit(consent, patient="Patient/mayer-rosa", decision="allow")
    assert refused.status_code == 400
    answer = answer_of(browser.submit(consent, patient="Patient/clark-dan", decision="allow"))
    token = client.token(client.code_form(answer["code"])).json()
    assert token["patient"] == "clark-dan"


def test_without_launch_patient_no_patient_is_asked_for(
    browser: Browser, client: SmartClient
) -> None:
    page = browser.open(client, scope="openid fhirUser user/Endpoint.r")
    consent = browser.follow(browser.submit(page, user="Practitioner/demo-physician"))
    assert "<legend>Patient</legend>" not in consent.text
    answer = answer_of(browser.submit(consent, decision="allow"))
    assert "patient" not in client.token(client.code_form(answer["code"])).json()


def test_forms_without_their_own_token_are_refused(browser: Browser, client: SmartClient) -> None:
    page = browser.open(client)
    forged = browser.submit(page, user="Practitioner/demo-radiologist", csrf="guess")
    assert forged.status_code == 400
    consent = browser.sign_in(client)
    forged = browser.submit(consent, patient="Patient/clark-dan", decision="allow", csrf="")
    assert forged.status_code == 400
    assert "Location" not in forged.headers


def test_sign_in_belongs_to_the_browser_that_began_it(
    browser: Browser, client: SmartClient
) -> None:
    page = browser.open(client)
    with requests.Session() as other:
        thief = Browser(browser.hospital, other)
        assert other.get(page.url, timeout=10).status_code == 400
        assert thief.submit(page, user="Practitioner/demo-radiologist").status_code == 400


def test_consent_cannot_be_given_before_signing_in(browser: Browser, client: SmartClient) -> None:
    page = browser.open(client)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    form = {**hidden, "decision": "allow", "patient": "Patient/clark-dan"}
    address = f"{browser.hospital.base_url}/auth/consent"
    response = browser.session.post(address, data=form, allow_redirects=False, timeout=10)
    assert response.status_code == 400


def test_consent_counts_once(browser: Browser, client: SmartClient) -> None:
    consent = browser.sign_in(client)
    first = browser.submit(consent, patient="Patient/clark-dan", decision="allow")
    assert "code" in answer_of(first)
    again = browser.submit(consent, patient="Patient/clark-dan", decision="allow")
    assert again.status_code == 400


@pytest.mark.parametrize("user", ["Practitioner/nobody", "", "Device/x"])
def test_only_people_of_the_hospital_sign_in(
    browser: Browser, client: SmartClient, user: str
) -> None:
    assert browser.submit(browser.open(client), user=user).status_code == 400


def test_sign_in_pages_are_never_framed_and_leak_no_address(
    browser: Browser, client: SmartClient
) -> None:
    for page in (browser.open(client), browser.sign_in(client)):
        assert page.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "<script" not in page.text


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser: Browser, client: SmartClient
) -> None:
    parameters = client.request(launch=None, scope=STANDALONE)
    address = f"{browser.hospital.base_url}/auth/authorize"
    response = browser.session.get(address, params=parameters, allow_redirects=False, timeout=10)
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/auth" in cookie


def test_two_sign_ins_in_one_browser_do_not_meet(browser: Browser, client: SmartClient) -> None:
    first, second = browser.sign_in(client), browser.sign_in(client)
    one = browser.submit(first, patient="Patient/clark-dan", decision="allow")
    two = browser.submit(second, patient="Patient/mayer-rosa", decision="allow")
    tokens = [client.token(client.code_form(answer_of(done)["code"])).json() for done in (one, two)]
    assert [token["patient"] for token in tokens] == ["clark-dan", "mayer-rosa"]
