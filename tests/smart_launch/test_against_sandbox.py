"""The client against the strict demo hospital, which shares none of its code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from sandbox.clients import Client
from sandbox.launches import Launch
from sandbox.server import RunningSandbox
from sandbox.settings import SandboxSettings
from smart_launch.callback import read_authorization_response
from smart_launch.client_keys import KeySet
from smart_launch.errors import FhirConflict, FhirForbidden, FhirUnauthorized, TokenRejected
from smart_launch.fhir_client import FhirClient
from smart_launch.http import Http
from smart_launch.launch import CompletedLaunch, begin_launch, finish_launch, refresh, revoke
from smart_launch.registration import ClientRegistration

pytestmark = pytest.mark.integration

CALLBACK = "http://127.0.0.1:9/callback/sandbox"
SCOPES = (
    "launch", "openid", "fhirUser", "online_access", "patient/Patient.r",
    "patient/ImagingStudy.rs", "user/Endpoint.r", "patient/DiagnosticReport.crus",
)  # fmt: skip
SECRET = "s:e/c r&e+t%é"


def hospital_client(client_id: str, kind: str, **more: Any) -> Client:
    address = "http://127.0.0.1:9/launch"
    return Client(client_id, client_id, kind, (CALLBACK,), address, scopes=" ".join(SCOPES), **more)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, our_keys: KeySet) -> Iterator[Any]:
    clients = (
        hospital_client("public", "public"),
        hospital_client("secret", "secret", secret=SECRET),
        hospital_client("private_key", "private_key", jwks=our_keys.public_jwks()),
    )
    settings = SandboxSettings(
        data_dir=tmp_path_factory.mktemp("hospital"), clients=clients, port=0
    )
    with RunningSandbox(settings) as running:
        yield running


def registered(hospital: RunningSandbox, kind: str, **more: Any) -> ClientRegistration:
    fields: dict[str, Any] = {
        "issuer": hospital.fhir_base,
        "client_id": kind,
        "authentication": kind,
        "redirect_uri": CALLBACK,
        "scopes": SCOPES,
        "client_secret": SECRET if kind == "secret" else None,
    }
    return ClientRegistration(**(fields | more))


def launched(
    http: Http, hospital: RunningSandbox, registration: ClientRegistration, keys: KeySet | None
) -> tuple[Any, CompletedLaunch]:
    minted = hospital.app.extensions["sandbox"].launches.mint(
        Launch(
            client_id=registration.client_id,
            user="Practitioner/demo-radiologist",
            patient="clark-dan",
        )
    )
    configuration, request = begin_launch(http, registration, launch=minted)
    redirect = requests.get(request.url, allow_redirects=False, timeout=10)
    answer = dict(parse_qsl(urlsplit(redirect.headers["Location"]).query, strict_parsing=True))
    code = read_authorization_response(
        answer, expected_state=request.state, configuration=configuration
    )
    done = finish_launch(
        http, registration, configuration,
        code=code, code_verifier=request.code_verifier, nonce=request.nonce, keys=keys,
    )  # fmt: skip
    return configuration, done


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
@pytest.mark.parametrize("kind", ["public", "secret", "private_key"])
def test_every_kind_of_client_launches_reads_refreshes_and_revokes(
    http: Http, hospital: RunningSandbox, our_keys: KeySet, kind: str, algorithm: str
) -> None:
    registration = registered(hospital, kind, signing_algorithm=algorithm)
    configuration, done = launched(http, hospital, registration, our_keys)
    assert done.context.require_patient() == "clark-dan"
    assert done.context.user is not None
    assert done.context.user.reference == f"{hospital.fhir_base}/Practitioner/demo-radiologist"
    assert done.missing == ()
    client = FhirClient(hospital.fhir_base, done.tokens.access_token, http=http)
    assert client.read_reference("Patient/clark-dan")["birthDate"] == "1930-10-19"
    given = {"granted": done.granted, "patient": "clark-dan", "keys": our_keys}
    first = str(done.tokens.refresh_token)
    again = refresh(http, registration, configuration, refresh_token=first, **given)
    assert again.granted
    assert again.refresh_token
    assert revoke(http, registration, configuration, token=again.refresh_token, keys=our_keys)
    with pytest.raises(TokenRejected, match="invalid_grant"):
        refresh(http, registration, configuration, refresh_token=again.refresh_token, **given)


def test_a_report_is_created_read_changed_and_protected(
    http: Http, hospital: RunningSandbox
) -> None:
    done = launched(http, hospital, registered(hospital, "public"), None)[1]
    client = FhirClient(hospital.fhir_base, done.tokens.access_token, http=http)
    report = {
        "resourceType": "DiagnosticReport",
        "id": "wr-smart-launch-test",
        "status": "preliminary",
        "code": {"text": "test"},
        "subject": {"reference": "Patient/clark-dan"},
    }
    stored = client.update(report)
    assert stored.created
    changed = client.update({**stored.resource, "conclusion": "Ä"}, if_match=stored.version)
    assert changed.version != stored.version
    with pytest.raises(FhirConflict):
        client.update(report, if_match=stored.version)
    found = list(client.search("DiagnosticReport", {"subject": "Patient/clark-dan"}))
    assert "wr-smart-launch-test" in {resource["id"] for resource in found}


def test_what_was_not_granted_and_who_is_unknown_is_told_apart(
    http: Http, hospital: RunningSandbox
) -> None:
    done = launched(http, hospital, registered(hospital, "public"), None)[1]
    client = FhirClient(hospital.fhir_base, done.tokens.access_token, http=http)
    with pytest.raises(FhirForbidden):
        client.create({"resourceType": "Patient"})
    with pytest.raises(FhirUnauthorized):
        FhirClient(hospital.fhir_base, "invented", http=http).read("Patient", "clark-dan")


def test_a_wrong_secret_is_refused(http: Http, hospital: RunningSandbox) -> None:
    with pytest.raises(TokenRejected, match="invalid_client"):
        launched(http, hospital, registered(hospital, "secret", client_secret="wrong"), None)


def test_pages_of_the_hospital_are_followed(http: Http, hospital: RunningSandbox) -> None:
    done = launched(http, hospital, registered(hospital, "public"), None)[1]
    client = FhirClient(hospital.fhir_base, done.tokens.access_token, http=http)
    for number in range(3):
        client.create(
            {
                "resourceType": "DiagnosticReport",
                "status": "preliminary",
                "code": {"text": f"page {number}"},
                "subject": {"reference": "Patient/clark-dan"},
            }
        )
    parameters = {"subject": "Patient/clark-dan", "_count": "1"}
    assert len(list(client.search("DiagnosticReport", parameters))) >= 3
