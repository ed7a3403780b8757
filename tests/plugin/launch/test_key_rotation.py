"""Rotation of the secret keys: in whatever order the steps are taken, no key is lost or revived."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import delete, update

from plugin import create_app
from plugin.commands.keys import command
from plugin.errors import VaultError
from plugin.launching.handles import EXTENSION
from plugin.launching.keys import SecretKeys
from plugin.launching.launch_states import LaunchState
from plugin.launching.launches import Launch
from plugin.services import Services, build_services
from plugin.settings import load_settings
from smart_launch.client_keys import KeySet
from tests.plugin.launch.conftest import BASE_URL, Browser
from tests.plugin.launch.hospital import CLIENT_ID, Hospital

STEPS: dict[str, Callable[[SecretKeys, frozenset[str]], SecretKeys]] = {
    "vault": lambda keys, _: keys.with_new_vault_key(),
    "publish": lambda keys, _: keys.published(),
    "sign": lambda keys, _: keys.signed_by_newest(),
    "retire": lambda keys, needed: keys.without_retired(needed),
}


class History:
    """What has happened to a set of keys, and what must hold after each step."""

    def __init__(self, keys: SecretKeys, needed: frozenset[str]) -> None:
        self.keys, self.needed = keys, needed
        self.born = [key.kid for key in keys.signing.keys]
        self.former: set[str] = set()

    def branch(self) -> History:
        """Give the same past with a future of its own."""
        other = copy(self)
        other.born, other.former = [*self.born], {*self.former}
        return other

    def explore(self, steps: int) -> None:
        """Take every order of so many steps; a beginning that several have is taken once."""
        for step in STEPS if steps else ():
            branch = self.branch()
            branch.take(step)
            branch.explore(steps - 1)

    def take(self, step: str) -> None:
        """Take a step, refused or not, by way of the file's content."""
        before = SecretKeys.parse(self.keys.dump())
        with suppress(VaultError):
            self.keys = STEPS[step](before, self.needed)
        self.born += [k.kid for k in self.keys.signing.keys if k.kid not in self.born]
        self._compare(before)

    def _compare(self, before: SecretKeys) -> None:
        was, now = (one.signing.signing_key("ES384").kid for one in (before, self.keys))
        if now != was:
            self.former.add(was)
        assert now not in self.former
        assert self.born.index(now) >= self.born.index(was)
        kept = {key.kid for key in self.keys.signing.keys}
        lost = {key.kid for key in before.signing.keys} - kept
        assert lost <= self.former
        assert 1 <= len(kept) <= 2
        sealed = [key.id for key in before.vault]
        assert self.keys.vault
        assert self.keys.vault[-1].id == sealed[-1] or self.keys.vault[-1].id not in sealed
        assert self.needed & set(sealed) <= {key.id for key in self.keys.vault}


@pytest.mark.parametrize("stored", [True, False], ids=["sign-ins stored", "nothing stored"])
def test_no_order_of_steps_goes_back_to_a_former_key_or_loses_one(
    keys: SecretKeys, stored: bool
) -> None:
    needed = frozenset({keys.vault[0].id} if stored else ())
    History(keys, needed).explore(5)


@pytest.fixture
def keys(secret_keys: str) -> SecretKeys:
    # Pairs of RSA take longest to make, and rotate no differently.
    return replace(SecretKeys.parse(secret_keys), signing=KeySet.generate("ES384"))


@pytest.mark.parametrize(
    ("taken", "step", "words"),
    [
        ([], "sign", "Begin with `wetread keys rotate publish`"),
        ([], "retire", "there is none"),
        (["publish"], "publish", "Go on with `wetread keys rotate sign`"),
        (["publish"], "retire", "Go on with `wetread keys rotate sign`"),
        (["publish", "sign"], "sign", "Begin with `wetread keys rotate publish`"),
        (["publish", "sign"], "publish", "Go on with `wetread keys rotate retire`"),
        (["vault"], "retire", "stored sign-ins may need it"),
    ],
)
def test_step_out_of_order_is_refused_with_the_one_to_take(
    keys: SecretKeys, taken: list[str], step: str, words: str
) -> None:
    needed = frozenset({keys.vault[0].id})
    for one in taken:
        keys = STEPS[one](keys, needed)
    with pytest.raises(VaultError) as refused:
        STEPS[step](keys, needed)
    assert words in f"{refused.value.text}\n{refused.value.next_step}"


@pytest.mark.parametrize("waiting", [["unknown"], "the signing one", 7])
def test_file_whose_waiting_keys_cannot_be_is_refused(keys: SecretKeys, waiting: object) -> None:
    table = json.loads(keys.dump())
    signs = keys.signing.signing_key("ES384").kid
    table["waiting"] = [signs] if waiting == "the signing one" else waiting
    with pytest.raises(VaultError, match="wetread keys new"):
        SecretKeys.parse(json.dumps(table))


def rotate(step: str, *file: str) -> tuple[int, str]:
    done = CliRunner().invoke(command, ["rotate", step, *file])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.fixture
def configured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: SecretKeys, hospital: Hospital
) -> Path:
    """A key file that the environment names, with a database beside it."""
    path = tmp_path / "secret" / "keys.json"
    keys.write(path)
    ehr = {"id": "north", "name": "N", "issuer": hospital.issuer, "client_id": CLIENT_ID}
    monkeypatch.setenv("WETREAD_BASE_URL", BASE_URL)
    monkeypatch.setenv("WETREAD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WETREAD_SECRET_KEY_FILE", str(path))
    monkeypatch.setenv("WETREAD_EHRS", json.dumps([ehr]))
    return path


@pytest.fixture
def signed_in(configured: Path, hospital: Hospital) -> Iterator[Services]:
    """A Wetread with one stored sign-in, sealed with the first vault key."""
    app: Flask = create_app(load_settings())
    services: Services = app.extensions[EXTENSION]
    Browser(app.test_client(), hospital).open()
    yield services
    services.database.close()


def restart() -> None:
    build_services(load_settings()).database.close()


def vault_ids(path: Path) -> list[str]:
    return [key.id for key in SecretKeys.read(path).vault]


def test_vault_key_of_a_stored_sign_in_is_kept_until_it_is_gone(
    configured: Path, signed_in: Services
) -> None:
    before = vault_ids(configured)
    assert rotate("vault")[0] == 0
    restart()
    code, output = rotate("retire")
    assert code == 1
    assert "stored sign-ins may need it" in output
    assert vault_ids(configured)[:1] == before
    # As the end of the launch and the passing of its state leave them.
    with signed_in.database.session() as session:
        session.execute(update(Launch).values(key_id=None, tokens=None))
        session.execute(delete(LaunchState))
    assert rotate("retire")[0] == 0
    assert before[0] not in vault_ids(configured)
    restart()


def test_vault_key_is_kept_while_no_process_has_started_with_the_new_one(configured: Path) -> None:
    restart()
    assert rotate("vault")[0] == 0
    assert rotate("retire")[0] == 1
    restart()
    assert rotate("retire")[0] == 0
    assert len(vault_ids(configured)) == 1


def test_retire_without_settings_keeps_every_vault_key(tmp_path: Path, keys: SecretKeys) -> None:
    path = tmp_path / "keys.json"
    keys.with_new_vault_key().published().signed_by_newest().write(path)
    code, output = rotate("retire", str(path))
    assert code == 0
    assert "cannot be asked" in output
    assert "1 vault key(s) stay" in output
    assert len(vault_ids(path)) == 2
    assert len(SecretKeys.read(path).signing.keys) == 1


def test_key_file_keeps_its_access_and_its_place_when_rotated(
    tmp_path: Path, keys: SecretKeys
) -> None:
    path, link = tmp_path / "keys.json", tmp_path / "link.json"
    keys.write(path)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    link.symlink_to(path)
    before = path.stat()
    assert rotate("vault", str(link))[0] == 0
    after = path.stat()
    assert link.is_symlink()
    assert (after.st_uid, after.st_gid, after.st_mode) == (
        before.st_uid,
        before.st_gid,
        before.st_mode,
    )
    assert len(vault_ids(path)) == 2


@pytest.mark.parametrize("arguments", [["new"], ["list"], ["rotate", "vault"]])
def test_without_settings_the_file_may_be_given(arguments: list[str]) -> None:
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 1
    assert "WETREAD_BASE_URL" in done.output
    assert "Give FILE" in done.output


@pytest.mark.parametrize("place", ["/proc/x/keys.json", "/dev/null/keys.json"])
def test_place_where_no_file_can_be_made_is_refused_in_words(place: str) -> None:
    done = CliRunner().invoke(command, ["new", place])
    assert done.exit_code == 1
    assert "must be writable" in done.output


def test_new_file_is_made_and_a_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    path, link = tmp_path / "made" / "keys.json", tmp_path / "link.json"
    link.symlink_to(tmp_path / "nowhere.json")
    assert CliRunner().invoke(command, ["new", str(path)]).exit_code == 0
    assert {key.algorithm for key in SecretKeys.read(path).signing.keys} == {"ES384", "RS384"}
    assert CliRunner().invoke(command, ["new", str(link)]).exit_code == 1
    assert not (tmp_path / "nowhere.json").exists()
