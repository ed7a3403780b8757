"""Which EHR may call is the administrator's decision, and a half-made one stops the start."""

from __future__ import annotations

from typing import Any

import pytest

from plugin.ehr_table import read_ehr
from plugin.ehrs import Ehr, EhrRegistry
from plugin.errors import SettingsError

NORTH = {
    "id": "north",
    "name": "North Hospital",
    "issuer": "https://ehr.example/fhir",
    "client_id": "wetread",
    "cds_issuer": "https://ehr.example",
    "cds_jwks_url": "https://ehr.example/cds-keys",
}


def registered(**changes: Any) -> Ehr:
    table = {name: value for name, value in (NORTH | changes).items() if value is not None}
    return read_ehr(table, "https://wetread.example", {})


def test_ehr_is_found_by_the_issuer_of_its_calls_and_by_nothing_like_it() -> None:
    elsewhere = {"id": "south", "issuer": "https://s.example/fhir"}
    south = registered(**elsewhere, cds_issuer=None, cds_jwks_url=None)
    registry = EhrRegistry([registered(), south])
    found = registry.by_cds_issuer("https://ehr.example")
    assert found is not None
    assert found.id == "north"
    for other in ("https://ehr.example/", "https://EHR.example", "https://ehr.example/fhir", ""):
        assert registry.by_cds_issuer(other) is None


def test_ehr_without_the_settings_may_not_call() -> None:
    registry = EhrRegistry([registered(cds_issuer="", cds_jwks_url="")])
    assert registry.by_cds_issuer("") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cds_jwks_url": None}, "set together"),
        ({"cds_issuer": None}, "set together"),
        ({"cds_jwks_url": "http://ehr.example/cds-keys"}, "https"),
        ({"cds_jwks_url": "file:///etc/passwd"}, "web address"),
        ({"cds_jwks_url": "https://user@ehr.example/keys"}, "user name"),
        ({"cds_issuer": ["https://ehr.example"]}, "text"),
    ],
)
def test_half_made_registration_stops_the_start(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        registered(**changes)


def test_two_ehrs_with_one_issuer_of_calls_stop_the_start() -> None:
    with pytest.raises(SettingsError, match="cds_issuer must be unique"):
        EhrRegistry([registered(), registered(id="south", issuer="https://s.example/fhir")])
