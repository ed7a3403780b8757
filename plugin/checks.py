"""What `wetread check` looks at, one function for each, each failure with its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from plugin.ehrs import Ehr
from plugin.errors import PluginError
from plugin.jobs.heartbeat import worker_age_s
from plugin.services import Services, build_services
from plugin.settings import load_settings, unknown_variables
from smart_launch.discovery import SmartConfiguration, fetch_configuration, fetch_json
from smart_launch.errors import SmartError

# SMART App Launch 2.2.0, conformance.html#capabilities
NEEDED_CAPABILITIES = ("launch-ehr", "context-ehr-patient", "permission-v2", "sso-openid-connect")
CLIENT_CAPABILITIES = {
    "public": "client-public",
    "secret": "client-confidential-symmetric",
    "private_key": "client-confidential-asymmetric",
}


@dataclass(frozen=True)
class Result:
    """One line of the check.

    Attributes
    ----------
    subject : str
        What was looked at.
    remedy : str
        What to do; empty when all is well.
    """

    kind: Literal["ok", "warning", "failure"]
    subject: str
    text: str
    remedy: str = ""


def all_checks(env: Mapping[str, str]) -> Iterator[Result]:
    """Run every check; a check that needs an earlier, failed one is left out."""
    try:
        settings = load_settings(env)
    except PluginError as error:
        yield Result("failure", "configuration", error.text, error.next_step)
        return
    yield Result(
        "ok", "configuration", f"served as {settings.base_url}, {len(settings.ehrs)} EHR(s)"
    )
    for name in unknown_variables(env):
        yield Result("warning", "configuration", f"{name} means nothing", "Correct its spelling.")
    if not settings.ehrs:
        yield Result(
            "warning", "EHRs", "none is registered", "Add an [[ehrs]] table to wetread.toml."
        )
    try:
        services = build_services(settings)
    except PluginError as error:
        yield Result("failure", "secret keys and database", error.text, error.next_step)
        yield from check_models(settings.model_runtime)
        return
    yield Result("ok", "secret keys and database", "the keys open the database, its tables are new")
    for ehr in services.ehrs:
        yield from check_ehr(services, ehr)
    yield from check_jwks(services)
    yield check_worker(services)
    yield from check_models(settings.model_runtime)


def check_ehr(services: Services, ehr: Ehr) -> Iterator[Result]:
    """Look at an EHR's discovery document and at its archives."""
    subject = f"EHR {ehr.id}"
    try:
        configuration = fetch_configuration(services.http, ehr.issuer)
    except SmartError as error:
        remedy = "Check `issuer`, the network and that the EHR is running."
        yield Result("failure", subject, error.sentence, remedy)
    else:
        yield Result("ok", subject, "discovery answers")
        yield from lacking(subject, ehr, configuration)
    for origin in ehr.pacs_origins:
        yield check_archive(services, subject, origin)


def lacking(subject: str, ehr: Ehr, configuration: SmartConfiguration) -> Iterator[Result]:
    """List what the EHR's discovery document does not promise."""
    if configuration.authorization_endpoint is None:
        yield Result(
            "failure", subject, "it names no authorization endpoint",
            "Ask the EHR's administrator: no user can sign in without it.",
        )  # fmt: skip
    wanted = (*NEEDED_CAPABILITIES, CLIENT_CAPABILITIES[ehr.authentication])
    absent = [name for name in wanted if name not in configuration.capabilities]
    absent += [] if configuration.code_challenge_methods_supported else ["PKCE S256"]
    algorithms = configuration.token_endpoint_auth_signing_alg_values_supported
    signs = ehr.authentication == "private_key" and algorithms
    absent += [ehr.signing_algorithm] if signs and ehr.signing_algorithm not in algorithms else []
    if absent:
        yield Result(
            "warning", subject, f"it does not promise {', '.join(absent)}",
            "Try a launch; if it fails, ask the EHR's administrator about these.",
        )  # fmt: skip


def check_archive(services: Services, subject: str, origin: str) -> Result:
    """Ask an image archive's origin for anything at all: any answer will do."""
    try:
        services.http.send("GET", f"{origin}/")
    except SmartError as error:
        remedy = "Check `pacs_origins`, the network and that the archive is running."
        return Result(
            "failure", subject, f"archive {origin} does not answer ({error.code})", remedy
        )
    return Result("ok", subject, f"archive {origin} answers")


def check_jwks(services: Services) -> Iterator[Result]:
    """Fetch Wetread's public keys as an EHR does, where one needs them."""
    if all(ehr.authentication != "private_key" for ehr in services.ehrs):
        return
    address = services.settings.jwks_url
    try:
        served = fetch_json(services.http, address)
    except SmartError as error:
        yield Result(
            "failure", "JWKS", f"{address} cannot be fetched ({error.code})",
            "Start `wetread serve`, and check that base_url is how EHRs reach it.",
        )  # fmt: skip
        return
    own = {key["kid"] for key in services.keys.signing.public_jwks()["keys"]}
    entries = served.get("keys")
    found = {entry.get("kid") for entry in entries} if isinstance(entries, list) else set()
    if own <= found:
        yield Result("ok", "JWKS", f"{address} serves {len(own)} keys")
    else:
        remedy = "Restart `wetread serve` after each `wetread keys rotate`."
        yield Result("failure", "JWKS", f"{address} serves other keys", remedy)


def check_worker(services: Services) -> Result:
    """Look for a worker's sign of life."""
    age = worker_age_s(services.database)
    if age is None or age > 60:
        remedy = "Start `wetread serve`, or `wetread worker`: without one no image is read."
        return Result("warning", "worker", "none has been alive in the last minute", remedy)
    return Result("ok", "worker", f"alive {age:.0f} s ago")


def check_models(runtime: str) -> Iterator[Result]:
    """Load every model, which compares its golden probabilities with what this machine computes."""
    # Imported here: pixel libraries belong into no other part of this process.
    from inference.errors import InferenceError
    from inference.registry import load_model, model_names

    for name in model_names():
        try:
            identity = load_model(name, runtime=runtime).identity
        except InferenceError as error:
            remedy = "Install this version of Wetread anew: weights or runtime are not as tested."
            yield Result("failure", f"model {name}", str(error), remedy)
        else:
            text = f"{identity.title} {identity.version} gives its golden probabilities"
            yield Result("ok", f"model {name}", text)
