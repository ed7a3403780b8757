"""A test client of its own: it shares no code with smart_launch, which is tested elsewhere."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from sandbox.launches import Launch
from sandbox.server import RunningSandbox

CALLBACK = "http://127.0.0.1:9/callback/sandbox"
SCOPES = (
    "launch openid fhirUser online_access patient/Patient.r patient/ImagingStudy.rs "
    "user/Endpoint.r patient/DiagnosticReport.crus patient/Observation.crus patient/Provenance.c"
)
FHIR_JSON = {"Content-Type": "application/fhir+json"}


def challenge_of(verifier: str) -> str:
    return (
        base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    )


def answer_of(response: requests.Response) -> dict[str, str]:
    """Parameters of the redirect to the client."""
    assert response.status_code == 303, response.text
    query = parse_qs(urlsplit(response.headers["Location"]).query, strict_parsing=True)
    return {name: value for name, (value,) in query.items()}


@dataclass
class SmartClient:
    hospital: RunningSandbox
    client_id: str = "wetread"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def house(self) -> Any:
        return self.hospital.app.extensions["sandbox"]

    def mint(self, patient: str | None = "clark-dan", **more: Any) -> str:
        known = {"client_id": self.client_id, "user": "Practitioner/demo-radiologist", **more}
        return self.house.launches.mint(Launch(patient=patient, **known))

    def request(self, **changes: str | None) -> dict[str, str]:
        """Parameters of a right authorization request, with changes; None takes one out."""
        right: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": SCOPES,
            "state": "s" * 22,
            "aud": self.hospital.fhir_base,
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            "nonce": "n-1",
        }
        if "launch" not in changes:
            right["launch"] = self.mint()
        return {k: v for k, v in {**right, **changes}.items() if v is not None}

    def authorize(self, method: str = "GET", **changes: str | None) -> requests.Response:
        parameters = self.request(**changes)
        place = {"params": parameters} if method == "GET" else {"data": parameters}
        address = f"{self.hospital.base_url}/auth/authorize"
        return requests.request(method, address, allow_redirects=False, timeout=10, **place)

    def code(self, **changes: str | None) -> str:
        return answer_of(self.authorize(**changes))["code"]

    def token(self, form: dict[str, Any], **more: Any) -> requests.Response:
        return requests.post(self.hospital.settings.token_url, data=form, timeout=10, **more)

    def code_form(self, code: str, **changes: str | None) -> dict[str, str]:
        right: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": self.verifier,
            "client_id": self.client_id,
        }
        return {k: v for k, v in {**right, **changes}.items() if v is not None}

    def launch(self, patient: str = "clark-dan", scope: str = SCOPES, **launch: Any) -> Any:
        """A whole EHR launch; the token response."""
        code = self.code(launch=self.mint(patient, **launch), scope=scope)
        response = self.token(self.code_form(code))
        assert response.status_code == 200, response.text
        return response.json()

    def fhir(self, scope: str = SCOPES, patient: str = "clark-dan", **launch: Any) -> FhirSession:
        return FhirSession(self.hospital, self.launch(patient, scope, **launch)["access_token"])


@dataclass
class FhirSession:
    hospital: RunningSandbox
    access_token: str

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        authorization = {"Authorization": f"Bearer {self.access_token}"}
        content = FHIR_JSON if body is not None else {}
        base = self.hospital.fhir_base
        return requests.request(
            method,
            path if path.startswith("http") else f"{base}{path}",
            json=body,
            headers={**authorization, **content, **named},
            allow_redirects=False,
            timeout=10,
        )

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.send("GET", path, **headers)

    def ids(self, path: str) -> list[str]:
        response = self.get(path)
        assert response.status_code == 200, response.text
        return [entry["resource"]["id"] for entry in response.json().get("entry", [])]


def observation(patient: str = "clark-dan", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "preliminary",
        "code": {"text": "Covid-19 probability"},
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


def report(patient: str = "clark-dan", **more: Any) -> dict[str, Any]:
    return {**observation(patient), "resourceType": "DiagnosticReport", **more}


def texts(response: requests.Response) -> str:
    """What an OperationOutcome says."""
    body = response.json()
    assert body["resourceType"] == "OperationOutcome", body
    return "; ".join(issue["diagnostics"] for issue in body["issue"])
