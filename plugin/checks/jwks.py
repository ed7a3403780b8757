"""The public keys at Wetread's public address: they must be its own."""

from __future__ import annotations

from collections.abc import Iterator

from plugin.checks.result import Result
from plugin.ehrs import Ehr
from plugin.services import Services
from smart_launch.discovery import fetch_json
from smart_launch.errors import SmartError


def needs_keys(ehr: Ehr) -> bool:
    """Tell whether Wetread signs for this EHR."""
    return ehr.authentication == "private_key" or ehr.backend_client_id is not None


def check_jwks(services: Services) -> Iterator[Result]:
    """Fetch Wetread's public keys as an EHR does, where one needs them."""
    if not any(needs_keys(ehr) for ehr in services.ehrs):
        return
    address = services.settings.jwks_url
    try:
        served = fetch_json(services.http, address)
    except SmartError as error:
        yield Result(
            "failure", "JWKS", "jwks", f"{address} cannot be fetched ({error.code})",
            "Start `wetread serve`, and check that base_url is how EHRs reach it.",
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
