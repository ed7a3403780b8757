from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from smart_launch.client_keys import KeySet
from smart_launch.fhir_client import FhirClient
from smart_launch.http import Http, HttpLimits
from tests.smart_launch.authorization_server import AuthorizationServer
from tests.smart_launch.loopback import Loopback, running_server

# A busy machine must not fail a parser.
settings.register_profile(
    "smart_launch", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("smart_launch")

# Patient enough for a busy machine; tests of silence use the impatient one.
QUICK = HttpLimits(
    connect_s=5.0, read_s=10.0, total_s=30.0, response_bytes=200_000, attempts=3, backoff_s=0.001,
    retry_after_s=5.0,
)  # fmt: skip
IMPATIENT = dataclasses.replace(QUICK, read_s=0.15)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with running_server() as book:
        yield book


@pytest.fixture
def elsewhere() -> Iterator[Loopback]:
    """A second server, at another origin: nothing may ever arrive there."""
    with running_server() as book:
        yield book
        assert book.asked == []


@pytest.fixture
def pauses() -> list[float]:
    """Seconds that the client would have slept."""
    return []


@pytest.fixture
def http(pauses: list[float]) -> Iterator[Http]:
    client = Http(QUICK, sleep=pauses.append)
    yield client
    client.close()


@pytest.fixture
def impatient(pauses: list[float]) -> Iterator[Http]:
    client = Http(IMPATIENT, sleep=pauses.append)
    yield client
    client.close()


@pytest.fixture(scope="session")
def our_keys() -> KeySet:
    return KeySet.generate("ES384", "RS384")


@pytest.fixture
def ehr() -> Iterator[AuthorizationServer]:
    with running_server() as book:
        yield AuthorizationServer(book)


@pytest.fixture
def client(http: Http, server: Loopback) -> Iterator[FhirClient]:
    yield FhirClient(server.url + "/fhir", "the-token", http=http)
    for asked in server.asked:
        assert asked.headers["Authorization"] == "Bearer the-token"
        assert "the-token" not in asked.path + str(asked.query)
