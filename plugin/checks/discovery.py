"""Discovery: whether the EHR answers at the registered address, and whether it is the right one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from plugin.checks.reachability import explain
from plugin.checks.result import Result, Steps
from plugin.ehrs import Ehr
from smart_launch.answer import Answer
from smart_launch.discovery import SmartConfiguration, read_configuration
from smart_launch.errors import DiscoveryError, TransportError
from smart_launch.http import Http

# A signed assertion and an id_token live for five minutes at most.
CLOCK_WARNING_S, CLOCK_FAILURE_S = 30.0, 240.0
REFUSED = {
    "token_endpoint_missing": "Ask the EHR's administrator: without it nobody can sign in.",
    "endpoint_refused": "Ask the EHR's administrator: Wetread uses https addresses only.",
    "pkce_unsupported": "Ask the EHR's administrator to allow PKCE with S256.",
}


@dataclass(frozen=True)
class EhrDocuments:
    """What an EHR says about itself to everybody.

    Attributes
    ----------
    configuration : SmartConfiguration or None
        None: it cannot be used.
    statement : dict
        Its CapabilityStatement; empty when there is none.
    closed : bool
        The CapabilityStatement is given only to who has a token.
    """

    configuration: SmartConfiguration | None
    statement: dict[str, Any] = field(default_factory=dict)
    closed: bool = False


def check_discovery(http: Http, ehr: Ehr) -> Steps[EhrDocuments]:
    """Ask for both documents that an EHR publishes, and judge its address by them."""
    subject, base = f"EHR {ehr.id}", ehr.issuer.rstrip("/")
    address = f"{base}/.well-known/smart-configuration"
    try:
        answer = http.send("GET", address, headers={"Accept": "application/json"})
    except TransportError as error:
        trouble = explain(address, error)
        yield Result("failure", subject, trouble.code, f"discovery: {trouble.text}", trouble.remedy)
        return EhrDocuments(None)
    statement, closed = fetch_statement(http, base)
    configuration = yield from read_document(
        subject, ehr, answer, is_fhir=closed or bool(statement)
    )
    if closed:
        text = "its CapabilityStatement is given only to who has a token"
        yield Result("info", subject, "metadata_closed", text)
    else:
        yield from check_own_name(subject, ehr, statement)
    yield from check_clock_of(subject, answer)
    return EhrDocuments(configuration, statement, closed)


def fetch_statement(http: Http, base: str, token: str | None = None) -> tuple[dict[str, Any], bool]:
    """Fetch the CapabilityStatement; empty when there is none; and whether it wants a token.

    References
    ----------
    FHIR R4, http.html#capabilities
    """
    headers = {"Accept": "application/fhir+json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = http.send("GET", f"{base.rstrip('/')}/metadata", headers=headers)
        document = answer.json_object() if answer.status == 200 else {}
    except TransportError:
        return {}, False
    is_one = document.get("resourceType") == "CapabilityStatement"
    return document if is_one else {}, answer.status in (401, 403)


def read_document(
    subject: str, ehr: Ehr, answer: Answer, *, is_fhir: bool
) -> Steps[SmartConfiguration | None]:
    """Read the SMART configuration, or say what came in its place."""
    if answer.status != 200:
        yield not_found(subject, answer.status, is_fhir=is_fhir)
        return None
    try:
        configuration = read_configuration(ehr.issuer, answer.json_object())
    except TransportError as error:
        remedy = (
            "The FHIR server's own address is needed, not that of a viewer or a portal."
            if error.code == "html_not_json"
            else "Ask the EHR's administrator what stands between: a proxy changes the answer."
        )
        yield Result("failure", subject, error.code, f"discovery: {error.sentence}", remedy)
        return None
    except DiscoveryError as error:
        remedy = REFUSED.get(error.code, "Ask the EHR's administrator.")
        yield Result("failure", subject, error.code, f"discovery: {error.sentence}", remedy)
        return None
    yield Result("ok", subject, "discovery", "discovery answers")
    return configuration


def not_found(subject: str, status: int, *, is_fhir: bool) -> Result:
    """Tell a FHIR server without SMART from an address where no FHIR server is."""
    text = f"discovery answers with HTTP status {status}"
    if status in (401, 403):
        remedy = "The smart-configuration must be readable by everybody: ask the administrator."
        return Result("failure", subject, "discovery_closed", text, remedy)
    if is_fhir:
        remedy = (
            "A FHIR server seems to be there, but it publishes no .well-known/smart-configuration "
            "below its base: let it, or a proxy in front of it, do so."
        )
        return Result("failure", subject, "discovery_missing", text, remedy)
    remedy = "Check `issuer`: no FHIR server answers there (it is the address before /metadata)."
    return Result("failure", subject, "wrong_base", text, remedy)


def check_own_name(subject: str, ehr: Ehr, statement: dict[str, Any]) -> Iterator[Result]:
    """Compare the address that the server gives itself: launches may come with it as `iss`."""
    implementation = statement.get("implementation")
    own = implementation.get("url") if isinstance(implementation, dict) else None
    if not statement:
        yield Result(
            "warning", subject, "metadata", "there is no CapabilityStatement at /metadata",
            "Check `issuer`; what this server can do is not known.",
        )  # fmt: skip
    elif isinstance(own, str) and own != ehr.issuer:
        yield Result(
            "warning", subject, "issuer_spelling",
            f"it calls itself {own!r}; registered is {ehr.issuer!r}",
            "`issuer` must be exactly what launches carry as `iss`: if they are refused as not "
            "registered, write it as the server does, with or without the slash.",
        )  # fmt: skip


def check_clock_of(subject: str, answer: Answer) -> Iterator[Result]:
    """Compare the clocks: assertions and id_tokens are good for minutes only."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except ValueError:
        return
    difference = time.time() - theirs
    if abs(difference) <= CLOCK_WARNING_S:
        return
    kind: Any = "failure" if abs(difference) > CLOCK_FAILURE_S else "warning"
    side = "ahead of" if difference > 0 else "behind"
    text = f"this machine's clock is {abs(difference):.0f} s {side} the EHR's"
    remedy = "Set both clocks by NTP: signatures are good for five minutes only."
    yield Result(kind, subject, "ehr_clock", text, remedy)
