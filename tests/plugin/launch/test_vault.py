"""Sealing, wrong keys, rotation of keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from plugin import create_app
from plugin.database import Database
from plugin.errors import VaultError
from plugin.launching.handles import EXTENSION
from plugin.launching.keys import SecretKeys
from plugin.launching.vault import Sealed, Vault, VaultKey
from plugin.services import Services, build_services
from plugin.settings import Settings
from tests.plugin.launch.conftest import BASE_URL, Browser, make_ehr
from tests.plugin.launch.hospital import Hospital

ONE = VaultKey("one", b"1" * 32)
TWO = VaultKey("two", b"2" * 32)


@pytest.fixture
def settings_here(tmp_path: Path, secret_keys: str, hospital: Hospital) -> Settings:
    return Settings(
        base_url=BASE_URL,
        data_dir=tmp_path / "data",
        secret_keys=secret_keys,
        ehrs=(make_ehr(hospital),),
    )


def test_sealed_text_opens_in_its_own_row_only() -> None:
    vault = Vault([ONE])
    sealed = vault.seal("token", "row", "tokens")
    assert vault.open(sealed, "row", "tokens") == "token"
    for row, purpose in (("other", "tokens"), ("row", "state")):
        with pytest.raises(VaultError):
            vault.open(sealed, row, purpose)


def test_sealing_twice_gives_two_different_texts() -> None:
    vault = Vault([ONE])
    assert vault.seal("token", "row", "tokens").data != vault.seal("token", "row", "tokens").data


def test_changed_text_does_not_open() -> None:
    vault = Vault([ONE])
    sealed = vault.seal("token", "row", "tokens")
    changed = bytes([sealed.data[-1] ^ 1])
    with pytest.raises(VaultError):
        vault.open(Sealed(sealed.key_id, sealed.data[:-1] + changed), "row", "tokens")


def test_new_key_seals_and_the_old_one_still_opens() -> None:
    before = Vault([ONE]).seal("token", "row", "tokens")
    vault = Vault([ONE, TWO])
    assert vault.open(before, "row", "tokens") == "token"
    assert vault.seal("token", "row", "tokens").key_id == "two"


@pytest.mark.parametrize("keys", [[], [ONE, ONE], [VaultKey("short", b"1" * 16)]])
def test_unusable_keys_are_refused(keys: list[VaultKey]) -> None:
    with pytest.raises(VaultError):
        Vault(keys)


def test_start_with_other_keys_fails(settings_here: Settings) -> None:
    create_app(settings_here).extensions[EXTENSION].database.close()
    wrong = replace(settings_here, secret_keys=SecretKeys.generate().dump())
    with pytest.raises(VaultError, match="must be those of this database"):
        create_app(wrong)


def test_start_with_another_key_of_the_same_id_fails(settings_here: Settings) -> None:
    services = build_services(settings_here)
    services.database.close()
    forged = replace(services.keys, vault=(VaultKey(services.keys.vault[0].id, b"x" * 32),))
    with pytest.raises(VaultError, match="must open with its key"):
        build_services(replace(settings_here, secret_keys=forged.dump()))


def test_start_without_the_key_of_a_stored_token_fails(
    settings_here: Settings, hospital: Hospital
) -> None:
    app = create_app(settings_here)
    services: Services = app.extensions[EXTENSION]
    Browser(app.test_client(), hospital).open()
    both = services.keys.with_new_vault_key()
    services.database.close()
    build_services(replace(settings_here, secret_keys=both.dump())).database.close()
    newest = both.without_retired()
    with pytest.raises(VaultError, match="must be those of this database"):
        build_services(replace(settings_here, secret_keys=newest.dump()))


def test_key_that_nothing_needs_can_be_retired(settings_here: Settings) -> None:
    services = build_services(settings_here)
    services.database.close()
    both = services.keys.with_new_vault_key()
    for keys in (both, both.without_retired(), both.without_retired()):
        build_services(replace(settings_here, secret_keys=keys.dump())).database.close()


def test_start_without_keys_fails_and_names_the_variables(settings_here: Settings) -> None:
    with pytest.raises(VaultError, match="WETREAD_SECRET_KEY_FILE"):
        create_app(replace(settings_here, secret_keys=None))


def test_check_text_of_the_vault_is_written_once(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    database.upgrade()
    for _ in range(2):
        Vault([ONE, TWO]).check(database, ())
    database.close()
