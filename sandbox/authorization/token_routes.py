"""``/auth/token``, ``/auth/revoke`` and ``/auth/introspect`` (RFC 6749, RFC 7009, RFC 7662)."""

from __future__ import annotations

import re
from typing import Any, get_args

from flask import Response, jsonify, request

from sandbox import hospital
from sandbox.authorization import blueprint
from sandbox.authorization.client_authentication import authenticate_client, read_form
from sandbox.authorization.grants import Authorization, IssuedTokens
from sandbox.authorization.keys import make_id_token
from sandbox.authorization.style import style_url
from sandbox.clients import Client, GrantType
from sandbox.errors import OAuthError
from sandbox.scopes import clinical_scopes, split_scopes, within

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")  # RFC 7636 4.1


@blueprint.post("/auth/token")
def token() -> Response:
    """Trade a code, a refresh token, or a backend service's own proof for an access token."""
    form = read_form(request)
    client = authenticate_client(request, form, hospital.current())
    kind = form.get("grant_type")
    if kind in get_args(GrantType) and kind not in client.grant_types:
        raise OAuthError("unauthorized_client", "the client is not registered for this grant_type")
    if kind == "authorization_code":
        issued = _redeem(form, client)
        return jsonify(_token_response(issued, with_id_token=True))
    if kind == "refresh_token":
        return jsonify(_token_response(_refresh(form, client), with_id_token=False))
    if kind == "client_credentials":
        return jsonify(_token_response(_issue_to_backend(form, client), with_id_token=False))
    text = f"grant_type must be one of {', '.join(get_args(GrantType))}"
    raise OAuthError("unsupported_grant_type" if kind else "invalid_request", text)


def _redeem(form: dict[str, str], client: Client) -> IssuedTokens:
    _need(form, "code", "redirect_uri", "code_verifier")
    if not _VERIFIER.fullmatch(form["code_verifier"]):
        raise OAuthError("invalid_request", "code_verifier must have 43 to 128 unreserved letters")
    return hospital.current().grants.redeem_code(
        form["code"],
        client_id=client.client_id,
        redirect_uri=form["redirect_uri"],
        verifier=form["code_verifier"],
    )


def _refresh(form: dict[str, str], client: Client) -> IssuedTokens:
    _need(form, "refresh_token")
    grants = hospital.current().grants
    wanted = None
    if "scope" in form:
        wanted = _narrowed(
            form["scope"], grants.granted_scopes(form["refresh_token"], client.client_id)
        )
    return grants.refresh(form["refresh_token"], client_id=client.client_id, scopes=wanted)


def _issue_to_backend(form: dict[str, str], client: Client) -> IssuedTokens:
    """SMART 2.2, "Backend Services": exactly the system scopes that were registered, or none."""
    try:
        wanted = split_scopes(form.get("scope", ""))
    except ValueError as error:
        raise OAuthError("invalid_scope", str(error)) from error
    systems = [scope for scope in clinical_scopes(wanted) if scope.context == "system"]
    if not wanted or len(systems) != len(wanted):
        raise OAuthError("invalid_scope", "scope must name system/ scopes, and nothing else")
    if not within(wanted, split_scopes(client.scopes)):
        raise OAuthError("invalid_scope", "scope must not go beyond the registered scopes")
    return hospital.current().grants.issue_to_backend(client.client_id, wanted)


def _narrowed(text: str, granted: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """SMART 2.2: no new permissions can be had at refresh time."""
    try:
        wanted = split_scopes(text)
    except ValueError as error:
        raise OAuthError("invalid_scope", str(error)) from error
    if granted is not None and (not wanted or not within(wanted, granted)):
        raise OAuthError("invalid_scope", "scope must be a subset of the granted scopes")
    return wanted or None


def _need(form: dict[str, str], *names: str) -> None:
    missing = [name for name in names if not form.get(name)]
    if missing:
        raise OAuthError("invalid_request", f"missing: {', '.join(missing)}")


def _token_response(issued: IssuedTokens, *, with_id_token: bool) -> dict[str, Any]:
    """RFC 6749 5.1 with the launch context (SMART 2.2, "Launch context arrives with ...")."""
    agreed = issued.authorization
    answer: dict[str, Any] = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in_s,
        "scope": " ".join(agreed.scopes),
        **_context(agreed),
    }
    if issued.refresh_token is not None:
        answer["refresh_token"] = issued.refresh_token
    if with_id_token and "openid" in agreed.scopes:
        answer["id_token"] = _id_token(agreed)
    return answer


def _context(agreed: Authorization) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if agreed.patient:
        context["patient"] = agreed.patient
        context["need_patient_banner"] = agreed.need_patient_banner
        context["smart_style_url"] = style_url()
    if agreed.encounter:
        context["encounter"] = agreed.encounter
    if agreed.study:
        context["fhirContext"] = [{"reference": f"ImagingStudy/{agreed.study}"}]
    if agreed.intent:
        context["intent"] = agreed.intent
    if agreed.app_context is not None:
        context["appContext"] = agreed.app_context
    return context


def _id_token(agreed: Authorization) -> str:
    house = hospital.current()
    return make_id_token(
        house.signing_key,
        issuer=house.settings.fhir_base,
        client_id=agreed.client_id,
        subject=agreed.user or "",
        fhir_user=_user_address(agreed) if "fhirUser" in agreed.scopes else None,
        nonce=agreed.nonce,
    )


def _user_address(agreed: Authorization) -> str:
    return f"{hospital.current().settings.fhir_base}/{agreed.user}"


def _said_of_user(agreed: Authorization) -> dict[str, str]:
    """Who an introspected token speaks for: of a backend service, itself (RFC 7662 2.2)."""
    if agreed.user is None:
        return {"sub": agreed.client_id}
    subject = agreed.user.partition("/")[2]
    return {"sub": subject, "fhirUser": _user_address(agreed)}


@blueprint.post("/auth/revoke")
def revoke() -> Response:
    """End a token; an unknown one, or another client's, is answered just the same."""
    form = read_form(request)
    client = authenticate_client(request, form, hospital.current())
    _need(form, "token")
    hospital.current().grants.revoke(form["token"], client.client_id)
    return Response(status=200)


@blueprint.post("/auth/introspect")
def introspect() -> Response:
    """Tell a client that proved who it is about its own tokens."""
    house = hospital.current()
    form = read_form(request)
    client = authenticate_client(request, form, house)
    if client.type == "public":
        raise OAuthError(
            "invalid_client", "introspection is for clients that can prove who they are"
        )
    _need(form, "token")
    found = house.grants.look_up(form["token"])
    if found is None or found.authorization.client_id != client.client_id:
        return jsonify({"active": False})
    agreed = found.authorization
    return jsonify(
        {
            "active": True,
            "scope": " ".join(agreed.scopes),
            "client_id": agreed.client_id,
            "iss": house.settings.fhir_base,
            "token_type": "Bearer",
            "iat": int(found.issued),
            "exp": int(found.expires),
            **_said_of_user(agreed),
            **_context(agreed),
        }
    )


@blueprint.errorhandler(OAuthError)
def oauth_error(error: OAuthError) -> Response:
    """RFC 6749 5.2; 401 names the scheme that the client has to use."""
    response = jsonify({"error": error.code, "error_description": error.description})
    response.status_code = error.status
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="hospital"'
    return response
