"""The public keys at Wetread's public address: they must be its own."""

from __future__ import annotations

from collections.abc import Iterator

from plugin.cds.service import SERVICE_PATH
from plugin.checks.reachability import explain
from plugin.checks.result import Result
from plugin.ehrs import Ehr
from plugin.services import Services
from smart_launch.discovery import fetch_json
from smart_launch.errors import SmartError
from smart_launch.server_keys import read_server_keys


def needs_keys(ehr: Ehr) -> bool:
    """Tell whether Wetread signs for this EHR."""
    return ehr.authentication == "private_key" or ehr.backend_client_id is not None


def check_caller_keys(services: Services, ehr: Ehr) -> Iterator[Result]:
    """Fetch the keys by which the EHR proves that it calls the CDS service, where it may."""
    if ehr.cds_jwks_url is None:
        return
    subject, place = f"EHR {ehr.id}", f"{services.settings.base_url}{SERVICE_PATH}"
    yield Result("info", subject, "cds_service", f"CDS Hooks service to register there: {place}")
    try:
        keys = read_server_keys(fetch_json(services.http, ehr.cds_jwks_url))
    except SmartError as error:
        trouble = explain(ehr.cds_jwks_url, error)
        yield Result(
            "failure", subject, "cds_keys", f"its CDS Hooks keys cannot be fetched: {trouble.text}",
            f"{trouble.remedy} Check cds_jwks_url: it is the `jku` of the EHR's calls.",
        )  # fmt: skip
        return
    usable = [key for key in keys if key.kid]
    if usable:
        yield Result("ok", subject, "cds_keys", f"it serves {len(usable)} CDS Hooks keys")
    else:
        yield Result(
            "failure", subject, "cds_keys", "it serves no usable CDS Hooks keys",
            "Check cds_jwks_url: each key must be EC P-384 or RSA of 2048 bits, with a kid.",
        )  # fmt: skip


def check_jwks(services: Services) -> Iterator[Result]:
    """Fetch Wetread's public keys as an EHR does, where one needs them."""
    if not any(needs_keys(ehr) for ehr in services.ehrs):
        return
    address = services.settings.jwks_url
    try:
        served = fetch_json(services.http, address)
    except SmartError as error:
        trouble = explain(address, error)
        yield Result(
            "failure", "JWKS", "jwks", f"{address} cannot be fetched: {trouble.text}",
            f"{trouble.remedy} `wetread serve` must run, and base_url be how EHRs reach it.",
        )  # fmt: skip
        return
    own = {str(key["kid"]) for key in services.keys.signing.public_jwks()["keys"]}
    entries = served.get("keys")
    listed = entries if isinstance(entries, list) else []
    found = {str(entry.get("kid")) for entry in listed if isinstance(entry, dict)}
    if own <= found:
        yield Result("ok", "JWKS", "jwks", f"{address} serves {len(own)} keys")
    else:
        remedy = "Restart `wetread serve` after each `wetread keys rotate`."
        yield Result("failure", "JWKS", "jwks", f"{address} serves other keys", remedy)
