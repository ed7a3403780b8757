"""One `[[ehrs]]` table of wetread.toml, checked key by key, as an `Ehr`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args

from plugin.addresses import check_origin, check_web_address
from plugin.ehrs import Authentication, AuthorizeMode, Ehr, ReportStatus, WriteMode
from plugin.errors import SettingsError
from plugin.scopes import is_system_scope
from plugin.shares import check_share

CHOICES: dict[str, tuple[str, ...]] = {
    "authentication": get_args(Authentication),
    "write": get_args(WriteMode),
    "authorize": get_args(AuthorizeMode),
    "report_status": get_args(ReportStatus),
    "signing_algorithm": ("ES384", "RS384"),
}
TUPLES = ("scopes", "backend_scopes", "frame_ancestors", "pacs_origins")
MAPPINGS = ("patient_id_systems",)
SHARES = ("prevalence",)
FLAGS = ("allow_unverifiable", "ai_security_label", "send_jwks_url", "send_nonce")


def read_ehr(table: Mapping[str, Any], base_url: str, env: Mapping[str, str]) -> Ehr:
    """Check one `[[ehrs]]` table and make an `Ehr` of it.

    Raises
    ------
    SettingsError
        A key is unknown, missing or has an unusable value; the key is named.
    """
    known = {entry.name: entry for entry in fields(Ehr) if entry.name != "redirect_uri"}
    place = f"ehrs.{table.get('id', '?')}"
    for key in table:
        if key not in known:
            raise SettingsError(f"{place}: every key must be a known one; got {key!r}")
    for key, entry in known.items():
        required = entry.default is MISSING and entry.default_factory is MISSING
        if required and not table.get(key):
            raise SettingsError(f"{place}.{key} must be set; it is missing")
    values = {key: _read_value(place, key, value) for key, value in table.items()}
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", values["id"]):
        raise SettingsError(f"{place}.id must be lower-case letters, digits and hyphens")
    variable = f"WETREAD_EHR_{values['id'].upper().replace('-', '_')}_CLIENT_SECRET"
    if env.get(variable):
        values["client_secret"] = env[variable]
    ehr = Ehr(**values, redirect_uri=f"{base_url}/callback/{values['id']}")
    _check_ehr(place, ehr, variable)
    return ehr


def _read_value(place: str, key: str, value: Any) -> Any:
    if key in TUPLES:
        if isinstance(value, str):
            value = value.split()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise SettingsError(f"{place}.{key} must be a list of texts")
        return tuple(value)
    if key in MAPPINGS:
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise SettingsError(f"{place}.{key} must be a table of texts")
        return dict(value)
    if key in SHARES:
        return _read_share(f"{place}.{key}", value)
    if key in FLAGS:
        if not isinstance(value, bool):
            raise SettingsError(f"{place}.{key} must be true or false; got {value!r}")
        return value
    if not isinstance(value, str):
        raise SettingsError(f"{place}.{key} must be a text")
    if key in CHOICES and value not in CHOICES[key]:
        raise SettingsError(
            f"{place}.{key} must be one of {', '.join(CHOICES[key])}; got {value!r}"
        )
    return value


def _read_share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingsError(f"{name} must be a number; got {type(value).__name__}")
    check_share(name, value)
    return float(value)


def _check_ehr(place: str, ehr: Ehr, variable: str) -> None:
    check_web_address(f"{place}.issuer", ehr.issuer)
    for key in ("frame_ancestors", "pacs_origins"):
        for origin in getattr(ehr, key):
            check_origin(f"{place}.{key}", origin)
    _check_cds(place, ehr)
    if not ehr.backend_scopes or not all(map(is_system_scope, ehr.backend_scopes)):
        raise SettingsError(f"{place}.backend_scopes must be system/ scopes, at least one")
    if ehr.authentication == "secret" and not ehr.client_secret:
        raise SettingsError(f"{place}: authentication `secret` needs {variable}; it is missing")


def _check_cds(place: str, ehr: Ehr) -> None:
    if bool(ehr.cds_issuer) != bool(ehr.cds_jwks_url):
        raise SettingsError(f"{place}: cds_issuer and cds_jwks_url must be set together")
    for key in ("cds_jwks_url", "token_endpoint"):
        if getattr(ehr, key):
            check_web_address(f"{place}.{key}", getattr(ehr, key))
