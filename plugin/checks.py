"""What `wetread check` looks at, one function for each, each failure with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Literal

from plugin.addresses import listening_at
from plugin.ehrs import Ehr
from plugin.errors import PluginError
from plugin.jobs.broker import check_broker
from plugin.jobs.heartbeat import SILENT_SECONDS, worker_age_s
from plugin.services import Services, build_services
from plugin.settings import Settings, load_settings, unknown_variables
from plugin.start_checks import check_bind, check_model_choice
from smart_launch.discovery import SmartConfiguration, fetch_configuration, fetch_json
from smart_launch.errors import SmartError

ANSWER_SECONDS = 3.0
# SMART App Launch 2.2.0, conformance.html#capabilities
NEEDED_CAPABILITIES = ("launch-ehr", "context-ehr-patient", "permission-v2", "sso-openid-connect")
NTP = "Set the clocks of all machines by NTP: jobs are leased by the time of day."
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
    yield check_address(settings)
    yield from check_services(settings)
    yield from check_models(settings)


def check_services(settings: Settings) -> Iterator[Result]:
    """Look at keys, database and broker, and at everything that needs them."""
    try:
        services = build_services(settings)
    except PluginError as error:
        yield Result("failure", "secret keys and database", error.text, error.next_step)
        return
    yield Result("ok", "secret keys and database", "the keys open the database, its tables are new")
    # A broker in a folder lies beside the database.
    yield judged("broker", check_broker, settings, "it can be reached")
    for ehr in services.ehrs:
        yield from check_ehr(services, ehr)
    yield from check_jwks(services)
    yield check_clock(services.database.clock_difference_s(), settings.job_lease_s)
    yield check_worker(services)


def judged(
    subject: str, check: Callable[[Settings], None], settings: Settings, good: str
) -> Result:
    """Make a result of a check that raises."""
    try:
        check(settings)
    except PluginError as error:
        return Result("failure", subject, error.text, error.next_step)
    return Result("ok", subject, good)


def check_address(settings: Settings) -> Result:
    """Look whether the web server can listen, or listens already."""
    result = judged("address", check_bind, settings, f"{settings.bind} is free")
    if result.kind == "failure" and wetread_answers(settings):
        return Result("ok", "address", f"Wetread answers at {settings.bind}")
    return result


def wetread_answers(settings: Settings) -> bool:
    """Tell whether what listens at the configured address is Wetread."""
    place = listening_at("bind", settings.bind)
    if place is None:
        return False
    connection = HTTPConnection(*place, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read(100).strip() == b'{"status":"ok"}'
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


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


def check_clock(difference_s: float | None, lease_s: float) -> Result:
    """Compare this machine's clock with the database's.

    A lease is renewed when a quarter of it is over: a clock that is off by as much may let another
    machine take a job that is being done.
    """
    if difference_s is None:
        return Result("warning", "clock", "this database does not tell its time", NTP)
    if abs(difference_s) < lease_s / 4:
        return Result("ok", "clock", f"within {abs(difference_s):.1f} s of the database's")
    side = "ahead of" if difference_s > 0 else "behind"
    return Result("failure", "clock", f"{abs(difference_s):.0f} s {side} the database's", NTP)


def check_worker(services: Services) -> Result:
    """Look for a worker's sign of life."""
    age = worker_age_s(services.database)
    remedy = "Start `wetread serve`, or `wetread worker`: without one no image is read."
    if age is None:
        return Result("warning", "worker", "none has ever been alive", remedy)
    if age > SILENT_SECONDS:
        text = f"the last sign of life must be at most {SILENT_SECONDS:.0f} s old; it is {age:.0f}"
        return Result("failure", "worker", text, remedy)
    return Result("ok", "worker", f"last sign of life {age:.0f} s ago")


def check_models(settings: Settings) -> Iterator[Result]:
    """Load the models that a worker loads: each must give its golden probabilities here."""
    choice = judged("model", check_model_choice, settings, "")
    if choice.kind == "failure":
        yield choice
        return
    # Imported here: pixel libraries belong into no other part of this process.
    from inference.registry import model_names

    for name in (settings.model,) if settings.model else model_names():
        yield from check_model(name, settings)


def check_model(name: str, settings: Settings) -> Iterator[Result]:
    """Load one model, and say what it runs on."""
    from inference.errors import InferenceError
    from inference.registry import load_model

    runtime, threads = settings.model_runtime, settings.model_threads or None
    try:
        identity = load_model(name, runtime=runtime, threads=threads).identity
    except InferenceError as error:
        remedy = "Install this version of Wetread anew: weights or runtime are not as tested."
        yield Result("failure", f"model {name}", str(error), remedy)
        return
    text = f"{identity.title} {identity.version} gives its golden probabilities"
    yield Result("ok", f"model {name}", f"{text}; it runs on {identity.runtime}")
    if runtime == "onnx" and not identity.runtime.endswith("CUDA") and cuda_is_listed():
        yield Result(
            "warning", f"model {name}", "the GPU's runtime is installed, but the CPU computes",
            "Check the GPU's driver (`nvidia-smi`) and the CUDA packages of requirements/gpu.txt.",
        )  # fmt: skip


def cuda_is_listed() -> bool:
    """Tell whether the installed ONNX Runtime is the one for NVIDIA GPUs."""
    from inference.runtimes.onnx import providers

    return any(name.startswith("CUDA") for name in providers())
