"""What to enter at the EHR, and whether the EHR knows this client."""

from __future__ import annotations

from collections.abc import Iterator

from plugin.checks.reachability import NO_ANSWER, explain
from plugin.checks.result import Result
from plugin.ehrs import Ehr
from plugin.services import Services
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import RegistrationError, TokenRejected
from smart_launch.token import build_code_request
from smart_launch.token_endpoint import post

# No authorization server ever gave out this code: RFC 6749 5.2 then wants `invalid_grant`, after
# the client has proved itself.
NO_CODE = "wetread-check-no-such-code"
VERIFIER = "wetread-check-no-such-verifier-0123456789abc"
UNKNOWN = ("invalid_client", "unauthorized_client")
REMEDIES = {
    "public": "Check `client_id`, and that the EHR has it as a public client.",
    "secret": "Check `client_id` and the client secret, and that the EHR takes HTTP Basic.",
    "private_key": (
        "Check `client_id`, and that the EHR has our key address or keys (see JWKS), for "
        "private_key_jwt."
    ),
}
UNSIGNED = {
    "key_missing": "Set signing_algorithm to one that `wetread keys list` shows.",
    "token_endpoint_changed": (
        "Ask the EHR's administrator, not its documents, where tokens are given out; if that is "
        "another place now, correct token_endpoint."
    ),
}


def list_addresses(services: Services, ehr: Ehr) -> Iterator[Result]:
    """List what the EHR must be told, ready to be copied."""
    subject, base = f"EHR {ehr.id}", services.settings.base_url
    lines = [f"launch address {base}/launch", f"redirect address {ehr.redirect_uri}"]
    if ehr.authentication == "private_key" or ehr.backend_client_id:
        lines.append(f"key address {services.settings.jwks_url}")
    yield Result("info", subject, "register", "register there: " + ", ".join(lines))
    if not ehr.frame_ancestors:
        yield Result(
            "warning", subject, "frame_ancestors", "no viewer may show Wetread in a frame",
            "Set frame_ancestors to the viewer's origin, unless it opens apps in a window.",
        )  # fmt: skip


def check_client(
    services: Services, ehr: Ehr, configuration: SmartConfiguration
) -> Iterator[Result]:
    """Ask for a token with a code that nobody gave out: the refusal tells whether we are known."""
    subject = f"EHR {ehr.id}"
    registration = ehr.registration(services.settings.jwks_url)
    try:
        request = build_code_request(
            registration, configuration,
            code=NO_CODE, code_verifier=VERIFIER, keys=services.keys.signing,
        )  # fmt: skip
        post(services.http, request)
    except TokenRejected as error:
        yield judge_refusal(subject, ehr, configuration, error)
    except RegistrationError as error:
        remedy = UNSIGNED.get(error.code, "Correct this EHR's table in wetread.toml.")
        yield Result("failure", subject, error.code, error.sentence, remedy)
    else:
        yield Result(
            "warning", subject, "code_not_checked",
            "it gives tokens for a code that nobody gave out",
            "Tell the EHR's administrator: anybody may sign in there.",
        )  # fmt: skip


def judge_refusal(
    subject: str, ehr: Ehr, configuration: SmartConfiguration, error: TokenRejected
) -> Result:
    """Read the answer: a code that is not good is the right complaint."""
    if error.code in NO_ANSWER:
        trouble = explain(configuration.token_endpoint, error)
        text = f"its token endpoint: {trouble.text}"
        return Result("failure", subject, trouble.code, text, trouble.remedy)
    if error.code == "invalid_grant":
        return Result("ok", subject, "client", "it knows this client and accepts its proof")
    if error.code in UNKNOWN:
        remedy = REMEDIES[ehr.authentication]
        return Result("failure", subject, "client", f"it does not accept us ({error.code})", remedy)
    text = f"whether it knows this client stays open ({error.code})"
    return Result("warning", subject, "client", text, "Try a launch: its page says what is wrong.")
