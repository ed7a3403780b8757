"""docs/register.md and its examples keep to what the program knows."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from plugin.ehr_table import read_ehr
from plugin.ehrs import Ehr
from plugin.scopes import BACKEND_SCOPES, DEFAULT_SCOPES
from plugin.settings import Settings

DOCS = Path(__file__).parents[3] / "docs"
MANUAL = (DOCS / "register.md").read_text("utf-8")
KEYCLOAK = DOCS / "examples" / "keycloak"
BASE = "https://wetread.hospital.example"
SECTIONS = (
    "Demo hospital", "HAPI FHIR behind Keycloak", "Epic", "Oracle Health", "InterSystems",
    "Medplum",
)  # fmt: skip


def realm() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((KEYCLOAK / "hospital-realm.json").read_text("utf-8"))
    return found


def client(name: str) -> dict[str, Any]:
    [found] = [one for one in realm()["clients"] if one["clientId"] == name]
    return dict(found)


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


def test_every_section_says_whether_it_was_tried() -> None:
    parts = re.split(r"^## ", MANUAL, flags=re.MULTILINE)
    for name in SECTIONS:
        [part] = [part for part in parts if part.startswith(name)]
        assert ("**Tried:**" in part) != ("**From documentation:**" in part), name


def test_every_link_inside_the_repository_leads_somewhere() -> None:
    anchors = {slug(line.lstrip("# ")) for line in MANUAL.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(([^)]+)\)", MANUAL):
        path, _, anchor = target.partition("#")
        if target.startswith("https://"):
            continue
        if path:
            assert (DOCS / path).exists(), target
            text = (DOCS / path).read_text("utf-8") if anchor else ""
            found = {slug(line.lstrip("# ")) for line in text.splitlines() if line[:1] == "#"}
        else:
            found = anchors
        assert not anchor or anchor in found, target


def test_example_of_the_six_steps_is_a_configuration_that_is_read() -> None:
    block = re.search(
        r"(?:^ {7}.*\n|^\n)+", MANUAL[MANUAL.index("       base_url") :], re.MULTILINE
    )
    assert block is not None
    table = tomllib.loads(re.sub(r"^ {7}", "", block[0], flags=re.MULTILINE))
    ehr = read_ehr(table.pop("ehrs")[0], table["base_url"], {})
    assert ehr.redirect_uri == f"{BASE}/callback/north"
    assert set(table) <= {entry.name for entry in fields(Settings)}


def test_every_setting_in_an_example_exists() -> None:
    known = {entry.name for entry in (*fields(Ehr), *fields(Settings))}
    named = set(re.findall(r"^ +([a-z_]+) = ", MANUAL, re.MULTILINE))
    assert len(named) > 8
    assert named <= known


def test_keycloak_example_has_exactly_the_scopes_that_are_asked_for() -> None:
    scopes = {one["name"] for one in realm()["clientScopes"]}
    of_users = set(DEFAULT_SCOPES) - {"openid"}
    assert scopes >= of_users | set(BACKEND_SCOPES)
    assert set(client("wetread")["optionalClientScopes"]) == of_users
    assert set(client("wetread-backend")["optionalClientScopes"]) == set(BACKEND_SCOPES)


def test_keycloak_example_knows_our_addresses_and_demands_key_and_pkce() -> None:
    wetread = client("wetread")
    assert wetread["redirectUris"] == [f"{BASE}/callback/hospital"]
    assert wetread["clientAuthenticatorType"] == "client-jwt"
    assert wetread["attributes"]["jwks.url"] == f"{BASE}/.well-known/jwks.json"
    assert wetread["attributes"]["pkce.code.challenge.method"] == "S256"
    assert client("wetread-backend")["standardFlowEnabled"] is False
    assert "secret" not in (KEYCLOAK / "hospital-realm.json").read_text("utf-8")


def test_keycloak_script_is_the_one_that_its_manifest_and_the_realm_name() -> None:
    manifest = json.loads((KEYCLOAK / "META-INF" / "keycloak-scripts.json").read_text("utf-8"))
    [mapper] = manifest["mappers"]
    assert (KEYCLOAK / mapper["fileName"]).exists()
    [launch] = [one for one in realm()["clientScopes"] if one["name"] == "launch"]
    assert f"script-{mapper['fileName']}" in {
        one["protocolMapper"] for one in launch["protocolMappers"]
    }
