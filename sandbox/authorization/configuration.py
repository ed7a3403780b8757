"""Discovery documents (SMART 2.2, "Conformance"; OpenID Connect Discovery 1.0) and the key set."""

from __future__ import annotations

from typing import Any, get_args

from flask import Response, jsonify

from sandbox import hospital
from sandbox.authorization import blueprint
from sandbox.clients import GrantType

CAPABILITIES = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-online",
    "permission-offline",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
SCOPES = (
    "launch",
    "launch/patient",
    "openid",
    "fhirUser",
    "online_access",
    "offline_access",
    "patient/*.crus",
    "user/*.crus",
    "system/*.crus",
)


def configuration_document() -> dict[str, Any]:
    """The SMART configuration of this hospital."""
    settings = hospital.current().settings
    auth = f"{settings.base_url}/auth"
    methods = ["client_secret_basic", "private_key_jwt", "none"]
    return {
        "issuer": settings.fhir_base,
        "jwks_uri": f"{auth}/jwks",
        "authorization_endpoint": f"{auth}/authorize",
        "token_endpoint": f"{auth}/token",
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
        "revocation_endpoint": f"{auth}/revoke",
        "introspection_endpoint": f"{auth}/introspect",
        "grant_types_supported": list(get_args(GrantType)),
        "response_types_supported": ["code"],
        "scopes_supported": list(SCOPES),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "capabilities": list(CAPABILITIES),
    }


@blueprint.get("/fhir/r4/.well-known/smart-configuration")
def smart_configuration() -> Response:
    """Answer in JSON whatever the Accept header says, as the specification demands."""
    return _public(configuration_document())


@blueprint.get("/fhir/r4/.well-known/openid-configuration")
def openid_configuration() -> Response:
    """What OpenID Connect clients look for beside the issuer."""
    more = {
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [hospital.current().signing_key.algorithm],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "fhirUser"],
    }
    return _public({**configuration_document(), **more})


@blueprint.get("/auth/jwks")
def jwks() -> Response:
    """Public keys of the id_tokens."""
    return _public(hospital.current().signing_key.public_jwks())


@blueprint.get("/auth/cds-jwks.json")
def cds_jwks() -> Response:
    """Public keys of the calls to CDS services (CDS Hooks 2.0, "Trusting CDS Clients")."""
    return _public(hospital.current().cds.signing_key.public_jwks())


def _public(document: dict[str, Any]) -> Response:
    response = jsonify(document)
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
