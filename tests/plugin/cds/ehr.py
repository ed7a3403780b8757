"""An EHR that calls the CDS service: its keys, its record, its JWTs; correct, sloppy or evil."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from werkzeug.serving import BaseWSGIServer, make_server

from plugin.reporting.fhir_codes import READING_KEY, STUDY_KEY

PATIENT = "clark-dan"
CLIENT_ID = "wetread"
SCOPE = "patient/ImagingStudy.rs patient/DiagnosticReport.rs"
EC = ECKey.generate_key("P-384", {"kid": "ec-1", "use": "sig", "alg": "ES384"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig", "alg": "RS384"})
STRANGER = ECKey.generate_key("P-384", {"kid": "ec-1"})


@dataclass
class Behaviour:
    """What a test may bend; the defaults are those of a correct EHR."""

    keys: list[Any] = field(default_factory=lambda: [EC, RSA])
    keys_status: int = 200
    keys_delay_s: float = 0.0
    record: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    record_status: int = 200
    record_delay_s: float = 0.0
    record_slow: tuple[str, ...] = ("ImagingStudy", "DiagnosticReport")
    """What the delay is for."""
    record_pages: int = 1
    """Pages of each search; all but the first are empty."""
    record_changes: dict[str, Any] = field(default_factory=dict)
    """What each Bundle has otherwise; None leaves an element out."""


class CallingEhr:
    """The running server, and what the EHR sends."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.requests: list[tuple[str, str | None]] = []
        self._server: BaseWSGIServer = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.issuer = f"{self.base}/fhir"
        self.jwks_url = f"{self.base}/cds-keys"

    def __enter__(self) -> CallingEhr:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def asked(self, ending: str) -> int:
        """How many requests ended so."""
        return sum(path.endswith(ending) for path, _ in self.requests)

    def token(
        self, audience: str, *, key: Any = EC, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Sign a JWT as CDS Hooks 2.0 describes it; None as a claim leaves it out."""
        now = int(time.time())
        own = {
            "iss": self.base, "aud": audience, "iat": now, "exp": now + 60,
            "jti": secrets.token_urlsafe(16),
        }  # fmt: skip
        algorithm = "RS384" if isinstance(key, RSAKey) else "ES384"
        head = {"alg": algorithm, "typ": "JWT", "kid": key.kid} | (header or {})
        body = {name: value for name, value in (own | claims).items() if value is not None}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, body, key, algorithms=["ES384", "ES256", "RS384", "RS256", "HS256"])

    def call(self, **changes: Any) -> dict[str, Any]:
        """Give the body of a call with an empty chart prefetched; None leaves a part out."""
        body = {
            "hook": "patient-view",
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": self.issuer,
            "context": {"userId": "Practitioner/rad-1", "patientId": PATIENT},
            "prefetch": prefetch(),
        }
        return {name: value for name, value in (body | changes).items() if value is not None}

    def authorization(self, **changes: Any) -> dict[str, Any]:
        """Give `fhirAuthorization`."""
        own = {
            "access_token": "cds-access-token", "token_type": "Bearer", "expires_in": 60,
            "scope": SCOPE, "subject": CLIENT_ID,
        }  # fmt: skip
        return own | changes

    def _app(self) -> Flask:
        app = Flask("calling-ehr")

        @app.before_request
        def count() -> None:
            self.requests.append((request.path, request.headers.get("Authorization")))

        app.get("/cds-keys")(self._keys)
        app.get("/fhir/<kind>")(self._search)
        return app

    def _keys(self) -> Any:
        time.sleep(self.behaviour.keys_delay_s)
        listed = [key.as_dict(private=False) for key in self.behaviour.keys]
        return jsonify(keys=listed), self.behaviour.keys_status

    def _search(self, kind: str) -> Any:
        behaviour, page = self.behaviour, int(request.args.get("page", 1))
        time.sleep(behaviour.record_delay_s if kind in behaviour.record_slow else 0)
        found = bundle(*(behaviour.record.get(kind, []) if page == 1 else []))
        found["total"] = len(behaviour.record.get(kind, []))
        if page < behaviour.record_pages:
            address = f"{self.issuer}/{kind}?page={page + 1}"
            found["link"] = [{"relation": "next", "url": address}]
        changed = found | behaviour.record_changes
        kept = {name: value for name, value in changed.items() if value is not None}
        return jsonify(kept), behaviour.record_status


def prefetch(
    studies: list[dict[str, Any]] | None = None,
    reports: list[dict[str, Any]] | None = None,
    **patient: Any,
) -> dict[str, Any]:
    """Prefetched data: the patient, studies, reports."""
    return {
        "patient": {"resourceType": "Patient", "id": PATIENT} | patient,
        "studies": bundle(*(studies or [])),
        "reports": bundle(*(reports or [])),
    }


def bundle(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A searchset."""
    entries = [{"resource": resource, "search": {"mode": "match"}} for resource in resources]
    found: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    return found | ({"entry": entries} if entries else {}) | more


def study(number: int = 1, modality: str = "CR", **changes: Any) -> dict[str, Any]:
    """An ImagingStudy of the chest; None leaves an element out."""
    resource = {
        "resourceType": "ImagingStudy",
        "id": f"study-{number}",
        "identifier": [
            {"system": "urn:dicom:uid", "value": f"urn:oid:2.25.{number}"},
            {
                "type": {"coding": [{"code": "ACSN"}]},
                "system": "https://hospital.example/accession",
                "value": f"A-{number}",
            },
        ],
        "status": "available",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "started": f"2026-03-{number:02}T08:15:00+00:00",
        "modality": [{"code": modality}],
        "numberOfInstances": 1,
        "series": [
            {
                "uid": f"2.25.{number}.1",
                "modality": {"code": modality},
                "numberOfInstances": 1,
                "bodySite": {"system": "http://snomed.info/sct", "code": "51185008"},
            }
        ],
    }
    return {name: value for name, value in (resource | changes).items() if value is not None}


def report(number: int = 1, status: str = "final", **changes: Any) -> dict[str, Any]:
    """A report of study `number` by somebody at the hospital; None leaves an element out."""
    resource = {
        "resourceType": "DiagnosticReport",
        "id": f"report-{number}",
        "status": status,
        "subject": {"reference": f"Patient/{PATIENT}"},
        "imagingStudy": [{"reference": f"ImagingStudy/study-{number}"}],
    }
    return {name: value for name, value in (resource | changes).items() if value is not None}


def ai_report(number: int = 1, status: str = "preliminary", **changes: Any) -> dict[str, Any]:
    """A report of study `number` by Wetread."""
    ours = [
        {"system": READING_KEY, "value": "0" * 64},
        {"system": STUDY_KEY, "value": f"urn:oid:2.25.{number}"},
    ]
    own = {"id": f"ai-report-{number}", "identifier": ours}
    return report(number, status, **own | changes)
