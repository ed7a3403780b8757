"""Reading without a user, against the strict demo hospital: docs/smart-conformance.md."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from plugin.ehrs import Ehr, EhrRegistry
from plugin.launching.backend_tokens import BackendTokens
from plugin.record import Record
from plugin.scopes import BACKEND_SCOPES
from sandbox.clients import Client
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from smart_launch.client_keys import KeySet
from smart_launch.configuration_cache import ConfigurationCache
from smart_launch.discovery import fetch_configuration
from smart_launch.errors import DiscoveryError, FhirError, FhirForbidden, TokenRejected
from smart_launch.http import Http
from smart_launch.introspection import introspect
from tests.smart_launch.loopback import Says, running_server

JWKS_URL = "https://wetread.example/.well-known/jwks.json"


@pytest.fixture(scope="module")
def keys() -> KeySet:
    return KeySet.generate("ES384", "RS384")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, keys: KeySet) -> Iterator[RunningSandbox]:
    """The demo hospital with Wetread as a backend service."""
    backend = Client(
        "wetread-backend",
        "Unattended reading",
        "private_key",
        scopes=" ".join(BACKEND_SCOPES),
        jwks=keys.public_jwks(),
        grant_types=("client_credentials",),
    )
    settings = SandboxSettings(
        data_dir=tmp_path_factory.mktemp("hospital"), clients=(backend,), port=0
    )
    with RunningSandbox(settings) as running:
        yield running


@pytest.fixture
def http() -> Iterator[Http]:
    made = Http()
    yield made
    made.close()


def ehr_of(issuer: str, algorithm: str = "ES384") -> Ehr:
    return Ehr(
        id="north",
        name="North Hospital",
        issuer=issuer,
        client_id="wetread",
        backend_client_id="wetread-backend",
        signing_algorithm=algorithm,
        redirect_uri="https://wetread.example/callback/north",
    )


def tokens_for(ehr: Ehr, http: Http, keys: KeySet) -> BackendTokens:
    return BackendTokens(EhrRegistry([ehr]), http, ConfigurationCache(http), keys, JWKS_URL)


@pytest.mark.integration
@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_a_backend_client_discovers_asks_reads_and_asks_again(
    demo: RunningSandbox, http: Http, keys: KeySet, algorithm: str
) -> None:
    tokens = tokens_for(ehr_of(demo.fhir_base, algorithm), http, keys)
    token = tokens.token("north")
    assert set(token.granted) == set(BACKEND_SCOPES)
    assert (token.missing, token.held.refresh) == ((), None)
    record = Record(tokens, "north", demo.fhir_base, http)
    assert record.read("Patient", "clark-dan")["id"] == "clark-dan"
    assert record.search("ImagingStudy", {"patient": "clark-dan"})
    with pytest.raises(FhirForbidden):
        record.search("Patient", {"name": "x"})
    # The demo hospital refuses an assertion that it has seen: each of these is a new one.
    assert tokens.access_token("north", rejected=token.held.access) != token.held.access


@pytest.mark.integration
def test_introspection_knows_the_backend_token_and_no_other(
    demo: RunningSandbox, http: Http, keys: KeySet
) -> None:
    ehr = ehr_of(demo.fhir_base)
    registration = ehr.backend_registration(JWKS_URL)
    assert registration is not None
    configuration = fetch_configuration(http, ehr.issuer)
    token = tokens_for(ehr, http, keys).access_token("north")
    told = introspect(http, registration, configuration, token=token, keys=keys)
    assert told is not None
    assert (told.active, told.client_id, told.patient) == (True, "wetread-backend", None)
    assert set((told.scope or "").split()) == set(BACKEND_SCOPES)
    unknown = introspect(http, registration, configuration, token="made-up", keys=keys)
    assert unknown is not None
    assert not unknown.active


@pytest.mark.integration
def test_a_backend_client_with_other_keys_gets_nothing(demo: RunningSandbox, http: Http) -> None:
    tokens = tokens_for(ehr_of(demo.fhir_base), http, KeySet.generate("ES384"))
    with pytest.raises(TokenRejected, match="invalid_client"):
        tokens.access_token("north")


def test_a_backend_token_follows_no_reference_and_no_page_to_another_server(
    http: Http, keys: KeySet
) -> None:
    with running_server() as server, running_server() as elsewhere:
        study = {"resourceType": "ImagingStudy", "id": "s-1"}
        following = [{"relation": "next", "url": f"{elsewhere.url}/fhir/ImagingStudy?page=2"}]
        page = {"resourceType": "Bundle", "link": following, "entry": [{"resource": study}]}
        given = {"access_token": "backend-token", "token_type": "bearer", "expires_in": 300}
        well_known = {"token_endpoint": f"{server.url}/token"}
        server.says("GET", "/fhir/.well-known/smart-configuration", Says(body=well_known))
        server.says("POST", "/token", Says(body=given))
        server.says("GET", "/fhir/ImagingStudy", Says(body=page))
        tokens = tokens_for(ehr_of(f"{server.url}/fhir"), http, keys)
        record = Record(tokens, "north", f"{server.url}/fhir", http)
        with pytest.raises(FhirError, match="foreign_page"):
            record.search("ImagingStudy", {"patient": "p-1"})
        sent = [asked.headers.get("Authorization") for asked in server.asked]
        assert sent == [None, None, "Bearer backend-token"]
        assert elsewhere.asked == []


def test_no_token_is_asked_for_where_the_way_is_not_secure(http: Http, keys: KeySet) -> None:
    with running_server() as server:
        well_known = {"token_endpoint": "http://login.example/token"}
        server.says("GET", "/fhir/.well-known/smart-configuration", Says(body=well_known))
        tokens = tokens_for(ehr_of(f"{server.url}/fhir"), http, keys)
        with pytest.raises(DiscoveryError, match="endpoint_refused"):
            tokens.access_token("north")
        assert [asked.path for asked in server.asked] == ["/fhir/.well-known/smart-configuration"]
        assert server.asked[0].headers["Accept"] == "application/json"
