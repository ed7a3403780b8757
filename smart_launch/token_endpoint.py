"""Sending to the token and revocation endpoints, and their refusals (RFC 6749 5.2)."""

from __future__ import annotations

from collections.abc import Sequence

from smart_launch.answer import Answer
from smart_launch.errors import TokenRejected, TransportError
from smart_launch.http import Http
from smart_launch.token import TokenRequest, TokenResponse, read_token_response

# RFC 6749 5.2. The server's error_description stays out: it may quote what was sent.
_REFUSALS = {
    "invalid_grant": "The record system no longer accepts this sign-in. Open the app again.",
    "invalid_client": "The record system did not recognise this app.",
    "unauthorized_client": "This app is not registered for this in the record system.",
    "invalid_scope": "The record system does not allow what this app asked for.",
    "invalid_request": "The record system did not accept this app's request.",
    "unsupported_grant_type": "The record system does not offer this way of signing in.",
}


def request_tokens(http: Http, request: TokenRequest, requested: Sequence[str]) -> TokenResponse:
    """Send a token request and read the tokens.

    Raises
    ------
    TokenRejected
    """
    answer = post(http, request)
    try:
        document = answer.json_object()
    except TransportError as error:
        # Not retryable: the server counts the code as used.
        raise TokenRejected(error.code, error.sentence) from error
    return read_token_response(document, requested=requested)


def post(http: Http, request: TokenRequest) -> Answer:
    """Send a token request once: a code or a rotated refresh token works only once.

    Raises
    ------
    TokenRejected
        With the error code of RFC 6749 5.2 where the server gives one.
    """
    try:
        answer = http.send("POST", request.url, headers=request.headers, content=request.form)
    except TransportError as error:
        raise TokenRejected(error.code, error.sentence, retryable=error.retryable) from error
    if 200 <= answer.status < 300:
        return answer
    error_code = _error_code(answer)
    if error_code in _REFUSALS:
        raise TokenRejected(error_code, _REFUSALS[error_code])
    raise TokenRejected(
        "token_refused",
        f"The record system did not give access (HTTP status {answer.status}).",
        retryable=answer.status == 429 or answer.status >= 500,
    )


def _error_code(answer: Answer) -> str:
    try:
        value = answer.json_object().get("error") if answer.status < 500 else None
    except TransportError:
        value = None  # a refusal stays one, also when its body is a web page
    return value if isinstance(value, str) else ""
