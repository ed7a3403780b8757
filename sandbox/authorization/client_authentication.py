"""Who is calling the token endpoint (SMART 2.2; RFC 6749 2.3 and 3.2.1; RFC 7523 2.2)."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from flask import Request

from sandbox.authorization.assertions import claimed_client
from sandbox.clients import Client
from sandbox.errors import OAuthError

if TYPE_CHECKING:
    from sandbox.hospital import Hospital

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def read_form(request: Request) -> dict[str, str]:
    """The form of a token request: each parameter once, nothing in the query.

    Raises
    ------
    OAuthError
        ``invalid_request``.
    """
    if request.mimetype != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "the body must be application/x-www-form-urlencoded")
    if request.args:
        raise OAuthError("invalid_request", "parameters belong into the body, not the address")
    if any(len(values) != 1 for _, values in request.form.lists()):
        raise OAuthError("invalid_request", "no parameter may come twice")
    return request.form.to_dict()


def authenticate_client(request: Request, form: dict[str, str], house: Hospital) -> Client:
    """Find out which client is calling, by the one way that it is registered with.

    Raises
    ------
    OAuthError
        ``invalid_client`` (or ``invalid_request`` when it tries two ways at once).
    """
    basic = request.headers.get("Authorization", "")
    assertion = form.get("client_assertion")
    if basic and (assertion or "client_secret" in form):
        raise OAuthError("invalid_request", "a client may authenticate in one way only")
    if assertion is not None:
        return _by_assertion(form, assertion, house)
    if basic:
        return _by_secret(basic, form, house)
    return _public(form, house)


def _known(house: Hospital, client_id: str | None, kind: str) -> Client:
    client = house.clients.get(client_id or "")
    if client is None or client.type != kind:
        raise OAuthError("invalid_client", "the client is not registered for this authentication")
    return client


def _public(form: dict[str, str], house: Hospital) -> Client:
    if "client_secret" in form:
        raise OAuthError("invalid_client", "secrets are taken in the Authorization header only")
    return _known(house, form.get("client_id"), "public")


def _by_secret(header: str, form: dict[str, str], house: Hospital) -> Client:
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OAuthError("invalid_client", "the Authorization header must be Basic") from error
    if scheme.lower() != "basic" or ":" not in decoded:
        raise OAuthError("invalid_client", "the Authorization header must be Basic")
    # RFC 6749 2.3.1: both halves are form-encoded before they are joined.
    client_id, secret = (unquote_plus(part) for part in decoded.split(":", 1))
    client = _known(house, client_id, "secret")
    if not hmac.compare_digest(secret.encode(), (client.secret or "").encode()):
        raise OAuthError("invalid_client", "the client secret is wrong")
    _check_same(form, client)
    return client


def _by_assertion(form: dict[str, str], assertion: str, house: Hospital) -> Client:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise OAuthError("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}")
    client = _known(house, form.get("client_id") or claimed_client(assertion), "private_key")
    house.assertions.verify(assertion, client)
    return client


def _check_same(form: dict[str, str], client: Client) -> None:
    if form.get("client_id", client.client_id) != client.client_id:
        raise OAuthError("invalid_client", "client_id differs from the authenticated client")
