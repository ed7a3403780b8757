"""Sign-in, patient picker and consent of a standalone launch.

Forms are protected twice against forgery: a cookie that binds them to the browser, and a token
in the form. The pages can never be framed.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from sandbox import hospital
from sandbox.authorization import blueprint
from sandbox.authorization.authorize_routes import SIGN_IN_COOKIE, redirect_with_code
from sandbox.authorization.grants import Authorization
from sandbox.authorization.pending import PendingSignIn
from sandbox.errors import AuthorizeRefused, FhirProblem
from sandbox.fhir_backend import Resource
from sandbox.scopes import in_words

PATIENTS_SHOWN = 200


@dataclass(frozen=True)
class Choice:
    """One line of a picker."""

    reference: str
    label: str


@blueprint.get("/auth/login")
def sign_in() -> Response:
    """Ask who is there: the demo hospital has people to choose from and no passwords."""
    pending = _pending(request.args.get("request", ""))
    return _page("authorization/sign_in.html", pending, people=_people())


@blueprint.post("/auth/login")
def signed_in() -> BaseResponse:
    """Note who is there and go on to the patient and the consent."""
    pending = _checked_form()
    user = request.form.get("user", "")
    if user not in {person.reference for person in _people()}:
        raise AuthorizeRefused("invalid_request", "the user must be one of the demo hospital's")
    known = hospital.current().pending.set_user(pending, user)
    return redirect(url_for("authorization.consent", request=known.id), 303)


@blueprint.get("/auth/consent")
def consent() -> BaseResponse:
    """Say what the client asks for, and which patient it is about."""
    pending = _pending(request.args.get("request", ""))
    if pending.user is None:
        return redirect(url_for("authorization.sign_in", request=pending.id), 303)
    words = [in_words(scope) for scope in pending.request.scopes]
    return _page(
        "authorization/consent.html", pending, patients=_patients_for(pending), words=words
    )


@blueprint.post("/auth/consent")
def consented() -> BaseResponse:
    """Take the decision and send the browser back to the client."""
    pending = _checked_form()
    if pending.user is None:
        raise AuthorizeRefused("access_denied", "nobody has signed in")
    asked = pending.request
    patient = _chosen_patient(pending)
    if not hospital.current().pending.finish(pending):
        raise AuthorizeRefused("invalid_request", "this sign-in has ended")
    if request.form.get("decision") != "allow":
        text = "the user did not agree"
        raise AuthorizeRefused("access_denied", text, asked.redirect_uri, asked.state)
    authorization = Authorization(
        asked.client.client_id, pending.user, asked.scopes, patient, nonce=asked.nonce
    )
    return redirect_with_code(authorization, asked)


def _pending(sign_in_id: str) -> PendingSignIn:
    browser = request.cookies.get(f"{SIGN_IN_COOKIE}_{sign_in_id[:8]}", "")
    found = hospital.current().pending.find(sign_in_id, browser)
    if found is None:
        text = "this sign-in is unknown, too old, or was begun in another browser"
        raise AuthorizeRefused("invalid_request", text)
    return found


def _checked_form() -> PendingSignIn:
    pending = _pending(request.form.get("request", ""))
    if not hmac.compare_digest(request.form.get("csrf", "").encode(), pending.csrf.encode()):
        raise AuthorizeRefused("invalid_request", "the form is not this sign-in's own")
    return pending


def _chosen_patient(pending: PendingSignIn) -> str | None:
    offered = _patients_for(pending)
    if not offered or request.form.get("decision") != "allow":
        return None
    chosen = request.form.get("patient", "")
    if chosen not in {choice.reference for choice in offered}:
        raise AuthorizeRefused("invalid_request", "the patient must be one of those offered")
    return chosen.partition("/")[2]


def _patients_for(pending: PendingSignIn) -> list[Choice]:
    """Patients to choose from: none unless asked for; a patient only himself."""
    if "launch/patient" not in pending.request.scopes:
        return []
    everyone = _choices("Patient", ())
    if (pending.user or "").startswith("Patient/"):
        return [choice for choice in everyone if choice.reference == pending.user]
    return everyone


def _people() -> list[Choice]:
    """Staff first; then patients, who have accounts too."""
    return [*_choices("Practitioner", ()), *_choices("Patient", ())]


def _choices(kind: str, parameters: tuple[tuple[str, str], ...]) -> list[Choice]:
    try:
        page = hospital.current().fhir.search(kind, (*parameters, ("_count", str(PATIENTS_SHOWN))))
    except FhirProblem as error:
        raise AuthorizeRefused("server_error", "the hospital's records do not answer") from error
    return [Choice(f"{kind}/{found['id']}", _label(found)) for found in page.matches]


def _label(person: Resource) -> str:
    name = (person.get("name") or [{}])[0]
    words = name.get("text") or " ".join([*name.get("given", ()), name.get("family", "")]).strip()
    role = "patient" if person["resourceType"] == "Patient" else "staff"
    born = f", born {person['birthDate']}" if "birthDate" in person else ""
    return f"{words or 'Unnamed'}{born} ({role})"


def _page(template: str, pending: PendingSignIn, **values: object) -> Response:
    response = make_response(render_template(template, pending=pending, **values))
    back = urlsplit(pending.request.redirect_uri)
    # The last form is answered by a redirect to the client, which form-action covers too.
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
        f"form-action 'self' {back.scheme}://{back.netloc}"
    )
    response.headers["X-Frame-Options"] = "DENY"
    return response
