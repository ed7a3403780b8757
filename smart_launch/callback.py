"""SMART App Launch 2.2.0, "Authorization response", with the issuer check of RFC 9207."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import LaunchRefused

# RFC 6749 4.1.2.1 and OpenID Connect Core 3.1.2.6. The server's error_description is not
# shown: whoever lured the user here may have written it.
_ERRORS = {
    "access_denied": "Access was not granted in the record system.",
    "invalid_scope": "The record system does not allow what this app asked for.",
    "unauthorized_client": "This app is not registered for this in the record system.",
    "invalid_request": "The record system did not accept this app's request.",
    "unsupported_response_type": "The record system does not offer this way of signing in.",
    "login_required": "The sign-in in the record system has ended. Sign in there again.",
    "interaction_required": "The record system needs you to confirm something first.",
    "server_error": "The record system had a problem while signing you in.",
    "temporarily_unavailable": "The record system cannot sign you in at the moment.",
}
_RETRYABLE = frozenset({"server_error", "temporarily_unavailable"})


def read_authorization_response(
    parameters: Mapping[str, str],
    *,
    expected_state: str,
    configuration: SmartConfiguration,
) -> str:
    """Check what came to the redirect URI and hand out the code.

    Parameters
    ----------
    parameters : mapping
        The query parameters of the redirect.
    expected_state : str
        The state of the authorization request that this page made.
    configuration : SmartConfiguration
        Of the EHR that was asked.

    Returns
    -------
    str
        The authorization code.

    Raises
    ------
    LaunchRefused
        ``state_mismatch``, ``issuer_mismatch``, ``issuer_missing``, ``code_missing``, or the
        server's own error code.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#response-4; RFC 6749 4.1.2; RFC 9207 2.4
    """
    if not same_secret(parameters.get("state", ""), expected_state):
        raise LaunchRefused(
            "state_mismatch", "This sign-in does not belong to this page. Open the app again."
        )
    check_response_issuer(configuration, parameters.get("iss"))
    check_authorization_error(parameters.get("error"))
    code = parameters.get("code", "")
    if not code:
        raise LaunchRefused("code_missing", "The record system ended the sign-in without a result.")
    return code


def check_response_issuer(configuration: SmartConfiguration, iss: str | None) -> None:
    """Refuse an answer from another authorization server than the one asked (mix-up attack).

    Raises
    ------
    LaunchRefused
        ``issuer_mismatch``, or ``issuer_missing`` where the server promised to name itself.

    References
    ----------
    RFC 9207 2.4
    """
    if iss is None:
        if configuration.authorization_response_iss_parameter_supported:
            raise LaunchRefused(
                "issuer_missing", "The answer to the sign-in does not say which system it is from."
            )
        return
    if iss != configuration.id_token_issuer:
        raise LaunchRefused(
            "issuer_mismatch", "The answer to the sign-in came from another system than expected."
        )


def check_authorization_error(error: str | None) -> None:
    """Turn an ``error`` parameter into a refusal with a plain sentence; None passes.

    Raises
    ------
    LaunchRefused
        With the server's code when it is a known one, else ``authorization_failed``.
    """
    if not error:
        return
    code = error if error in _ERRORS else "authorization_failed"
    sentence = _ERRORS.get(error, "The record system did not complete the sign-in.")
    raise LaunchRefused(code, sentence, retryable=code in _RETRYABLE)


def same_secret(arrived: str, expected: str) -> bool:
    """Compare two secrets without telling by the time taken where they differ."""
    if not expected:
        return False
    # JSON can carry lone surrogates, which plain UTF-8 refuses to encode.
    first, second = (text.encode("utf-8", "surrogatepass") for text in (arrived, expected))
    return hmac.compare_digest(first, second)
