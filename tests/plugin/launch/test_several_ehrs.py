"""Two hospitals at once: what one may try against the other (RFC 9700 4.4, RFC 9207)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from plugin import create_app
from plugin.launching.handles import EXTENSION
from plugin.services import Services
from plugin.settings import Settings
from tests.plugin.launch.conftest import BASE_URL, Browser, Page, make_ehr, problem_code
from tests.plugin.launch.hospital import Behaviour, Hospital


@dataclass
class Pair:
    """An honest hospital and a false one, both registered."""

    app: Flask
    honest: Hospital
    false: Hospital

    @property
    def services(self) -> Services:
        found: Services = self.app.extensions[EXTENSION]
        return found

    def browser(self, hospital: Hospital) -> Browser:
        return Browser(self.app.test_client(), hospital)

    def call_back(self, page: Page, at: str, **answer: str) -> str:
        """What the browser's page does when it was sent to an EHR's callback; gives the problem."""
        body = {"state": page.state, "binder": page.binder} | answer
        return problem_code(self.browser(self.honest).post(body, at))


@pytest.fixture(scope="module")
def running_pair(
    tmp_path_factory: pytest.TempPathFactory, secret_keys: str
) -> Iterator[tuple[Flask, Hospital, Hospital]]:
    with Hospital() as honest, Hospital() as false:
        settings = Settings(
            base_url=BASE_URL,
            data_dir=tmp_path_factory.mktemp("wetread"),
            secret_keys=secret_keys,
            ehrs=(make_ehr(honest, "honest"), make_ehr(false, "false")),
        )
        app = create_app(settings)
        yield app, honest, false
        app.extensions[EXTENSION].database.close()


@pytest.fixture
def pair(running_pair: tuple[Flask, Hospital, Hospital]) -> Pair:
    made = Pair(*running_pair)
    for hospital in (made.honest, made.false):
        hospital.behaviour = Behaviour()
        hospital.requests.clear()
        made.services.configurations.forget(hospital.issuer)
    return made


def authorize_query(page: Page) -> dict[str, str]:
    return {name: one[0] for name, one in parse_qs(urlsplit(page.authorize).query).items()}


def test_every_ehr_has_a_redirect_uri_of_its_own(pair: Pair) -> None:
    found = {
        authorize_query(pair.browser(hospital).launch())["redirect_uri"]
        for hospital in (pair.honest, pair.false)
    }
    assert found == {f"{BASE_URL}/callback/honest", f"{BASE_URL}/callback/false"}


def test_both_are_launched_side_by_side_and_each_gets_its_own_tokens(pair: Pair) -> None:
    pages = [(one, pair.browser(one).launch()) for one in (pair.honest, pair.false)]
    for hospital, page in reversed(pages):
        ehr = "honest" if hospital is pair.honest else "false"
        handle = pair.browser(hospital).call_back(page, ehr).get_json()["handle"]
        launch = pair.services.launches.by_handle(handle)
        assert launch.ehr.id == ehr
        assert launch.user == f"{hospital.issuer}/Practitioner/1"
        assert hospital.paths("/token") == 1


def test_a_code_of_the_honest_one_never_reaches_the_false_one(pair: Pair) -> None:
    """The classic mix-up: a launch of the false one is sent on to the honest one's sign-in."""
    page = pair.browser(pair.false).launch()
    # The honest one knows only its own redirect address, so its code comes back there.
    code = pair.honest.sign_in(page.authorize)["code"]
    assert pair.call_back(page, "honest", code=code) == "state_foreign"
    assert pair.honest.paths("/token") == pair.false.paths("/token") == 0


def test_a_code_of_the_honest_one_at_the_callback_of_the_false_one_is_refused(pair: Pair) -> None:
    page = pair.browser(pair.honest).launch()
    code = pair.honest.sign_in(page.authorize)["code"]
    assert pair.call_back(page, "false", code=code) == "state_foreign"
    assert pair.honest.paths("/token") == pair.false.paths("/token") == 0
    # Nothing is used up by that: the honest way still works.
    assert pair.browser(pair.honest).call_back(page, "honest").status_code == 200


def test_a_code_of_the_false_one_put_into_a_launch_of_the_honest_one_opens_nothing(
    pair: Pair,
) -> None:
    """Code injection: the honest one does not know the code, and the false one is not asked."""
    page = pair.browser(pair.honest).launch()
    foreign = pair.false.sign_in(pair.browser(pair.false).launch().authorize)["code"]
    assert pair.call_back(page, "honest", code=foreign) == "invalid_grant"
    assert pair.false.paths("/token") == 0


def test_an_answer_that_names_another_issuer_is_refused_before_its_code_is_sent(
    pair: Pair,
) -> None:
    page = pair.browser(pair.honest).launch()
    code = pair.honest.sign_in(page.authorize)["code"]
    found = pair.call_back(page, "honest", code=code, iss=pair.false.issuer)
    assert found == "issuer_mismatch"
    assert pair.honest.paths("/token") == pair.false.paths("/token") == 0


@pytest.mark.parametrize("change", ["/", "#", "?x"])
def test_an_issuer_that_is_almost_the_right_one_is_another(pair: Pair, change: str) -> None:
    page = pair.browser(pair.honest).launch()
    found = pair.call_back(page, "honest", code="c", iss=pair.honest.issuer + change)
    assert found == "issuer_mismatch"


def test_an_error_that_names_another_issuer_is_not_believed_either(pair: Pair) -> None:
    page = pair.browser(pair.honest).launch()
    found = pair.call_back(page, "honest", error="access_denied", iss=pair.false.issuer)
    assert found == "issuer_mismatch"


def test_a_promised_issuer_must_come(pair: Pair) -> None:
    pair.honest.behaviour.discovery = {"authorization_response_iss_parameter_supported": True}
    page = pair.browser(pair.honest).launch()
    code = pair.honest.sign_in(page.authorize)["code"]
    assert pair.call_back(page, "honest", code=code) == "issuer_missing"
    assert pair.honest.paths("/token") == 0
    page = pair.browser(pair.honest).launch()
    answer = pair.browser(pair.honest).call_back(page, "honest", iss=pair.honest.issuer)
    assert answer.status_code == 200


def test_a_false_one_that_names_the_honest_ones_token_address_gets_no_identity(
    pair: Pair,
) -> None:
    """Its discovery points at the honest one, whose id_token is not signed with its own keys."""
    pair.false.behaviour.discovery = {"token_endpoint": f"{pair.honest.base}/token"}
    page = pair.browser(pair.false).launch()
    code = pair.honest.sign_in(page.authorize)["code"]
    assert pair.call_back(page, "false", code=code) == "signature_invalid"


def test_a_token_of_one_is_never_sent_to_the_other(pair: Pair) -> None:
    page = pair.browser(pair.honest).launch()
    handle = pair.browser(pair.honest).call_back(page, "honest").get_json()["handle"]
    launch = pair.services.launches.by_handle(handle)
    token = pair.services.tokens.access_token(launch.id)
    pair.services.tokens.end(launch.id)
    assert token in pair.honest.revoked
    assert pair.false.requests == []
