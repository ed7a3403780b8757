"""``/auth/authorize`` (SMART 2.2, "Obtain authorization code")."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from sandbox import hospital
from sandbox.authorization import blueprint
from sandbox.authorization.authorization_request import (
    AuthorizationRequest,
    read_authorization_request,
)
from sandbox.authorization.grants import Authorization
from sandbox.errors import AuthorizeRefused

SIGN_IN_COOKIE = "sandbox_sign_in"


@blueprint.route("/auth/authorize", methods=["GET", "POST"])
def authorize() -> BaseResponse:
    """Begin an authorization: with a launch code at once, else with a sign-in."""
    house = hospital.current()
    if house.settings.refuse_frames and request.headers.get("Sec-Fetch-Dest") == "iframe":
        # The browser will show nothing of this in a frame; the launch code must stay good.
        return make_response(render_template("authorization/framed.html"), 403)
    parameters: MultiDict[str, str] = request.form if request.method == "POST" else request.args
    checked = read_authorization_request(parameters, house.clients, house.settings.fhir_base)
    if checked.launch is not None:
        return redirect_with_code(_authorization_of_launch(checked), checked)
    return _begin_sign_in(checked)


def _authorization_of_launch(checked: AuthorizationRequest) -> Authorization:
    """EHR launch: the code says who is working on whom, so nobody is asked anything."""
    launch = hospital.current().launches.consume(checked.launch or "", checked.client.client_id)
    if launch is None:
        text = "the launch code is unknown, used, too old or another client's"
        raise AuthorizeRefused("invalid_request", text, checked.redirect_uri, checked.state)
    return Authorization(
        client_id=checked.client.client_id,
        user=launch.user,
        scopes=checked.scopes,
        patient=launch.patient,
        study=launch.study,
        encounter=launch.encounter,
        intent=launch.intent,
        app_context=launch.app_context,
        need_patient_banner=launch.need_patient_banner,
        nonce=checked.nonce,
    )


def _begin_sign_in(checked: AuthorizationRequest) -> BaseResponse:
    """Standalone launch: the browser that began it is the only one that may go on."""
    house = hospital.current()
    sign_in = house.pending.begin(checked)
    response = redirect(url_for("authorization.sign_in", request=sign_in.id), 303)
    response.set_cookie(
        f"{SIGN_IN_COOKIE}_{sign_in.id[:8]}",
        sign_in.browser,
        max_age=600,
        path="/auth",
        httponly=True,
        samesite="Lax",
        secure=house.settings.base_url.startswith("https:"),
    )
    return response


def redirect_with_code(authorization: Authorization, checked: AuthorizationRequest) -> BaseResponse:
    """Send the browser back with a code, the state and our issuer (RFC 9207)."""
    house = hospital.current()
    code = house.grants.issue_code(authorization, checked.redirect_uri, checked.challenge)
    answer = {"code": code, "state": checked.state, "iss": house.settings.fhir_base}
    return redirect(_with_query(checked.redirect_uri, answer), 303)


@blueprint.errorhandler(AuthorizeRefused)
def refused(error: AuthorizeRefused) -> BaseResponse | Response:
    """Tell the client by redirect, or the person on a page when the address is in doubt."""
    if error.redirect_uri is None:
        page = render_template("authorization/refused.html", sentence=error.description)
        return make_response(page, 400)
    answer = {"error": error.code, "error_description": error.description}
    if error.state:
        answer["state"] = error.state
    answer["iss"] = hospital.current().settings.fhir_base
    return redirect(_with_query(error.redirect_uri, answer), 303)


def _with_query(address: str, parameters: dict[str, str]) -> str:
    """A registered redirect URI may already have a query, which is kept (RFC 6749 3.1.2)."""
    separator = "&" if urlsplit(address).query else "?"
    return f"{address}{separator}{urlencode(parameters)}"
