"""`wetread keys`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from plugin.commands.keys import command as keys
from plugin.launching.keys import SecretKeys


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(keys, arguments)
    return done.exit_code, done.output


def test_new_key_file_is_closed_to_others_and_never_overwritten(key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    before = key_file.read_text()
    code, output = run("new", str(key_file))
    assert code == 1
    assert "must not exist yet" in output
    assert key_file.read_text() == before


def test_list_shows_ids_and_uses_and_no_secret(key_file: Path) -> None:
    code, output = run("list", str(key_file))
    assert code == 0
    assert "seals and opens" in output
    assert "ES384" in output
    assert "RS384" in output
    content = json.loads(key_file.read_text())
    secrets = [content["vault"][0]["secret"], *(key["d"] for key in content["signing"]["keys"])]
    assert not any(secret in output for secret in secrets)


def test_signing_keys_rotate_in_three_steps_and_sign_only_once_published(
    key_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_file.read_text())
    path.chmod(0o600)
    first = SecretKeys.read(path).signing.signing_key("ES384").kid
    assert run("rotate", "sign", str(path))[0] == 1
    code, output = run("rotate", "publish", str(path))
    assert code == 0
    assert "wait an hour" in output
    published = SecretKeys.read(path).signing
    assert published.signing_key("ES384").kid == first
    assert len(published.public_jwks()["keys"]) == 4
    assert run("rotate", "publish", str(path))[0] == 1
    assert run("rotate", "sign", "--now", str(path))[0] == 0
    signing = SecretKeys.read(path).signing
    assert signing.signing_key("ES384").kid != first
    assert len(signing.public_jwks()["keys"]) == 4
    assert run("rotate", "retire", str(path))[0] == 0
    assert [key.kid for key in SecretKeys.read(path).signing.keys].count(first) == 0
    assert len(SecretKeys.read(path).signing.keys) == 2


def test_no_key_signs_before_the_ehrs_can_have_fetched_it(key_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_file.read_text())
    path.chmod(0o600)
    assert run("rotate", "publish", str(path))[0] == 0
    published = path.read_text()
    code, output = run("rotate", "sign", str(path))
    assert code == 1
    assert "60 are left" in output
    assert "--now" in output
    assert path.read_text() == published
    table = json.loads(published)
    path.write_text(json.dumps(table | {"published_s": table["published_s"] - 3600}))
    code, output = run("rotate", "sign", str(path))
    assert code == 0
    assert "rotate retire" in output


@pytest.mark.parametrize("step", ["vault", "publish", "retire"])
def test_only_signing_can_be_hurried(key_file: Path, step: str) -> None:
    before = key_file.read_text()
    assert run("rotate", step, "--now", str(key_file))[0] == 2
    assert key_file.read_text() == before


def test_vault_key_is_added_and_the_old_one_kept(key_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_file.read_text())
    path.chmod(0o600)
    old = SecretKeys.read(path).vault[0].id
    assert run("rotate", "vault", str(path))[0] == 0
    ids = [key.id for key in SecretKeys.read(path).vault]
    assert ids[0] == old
    assert len(ids) == 2


@pytest.mark.parametrize("content", ["", "{}", '{"vault": [], "signing": {"keys": []}}', "[1]"])
def test_key_file_with_other_content_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    code, output = run("list", str(path))
    assert code == 1
    assert "wetread keys new" in output


def test_key_file_that_others_may_read_is_refused(key_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_file.read_text())
    path.chmod(0o644)
    code, output = run("list", str(path))
    assert code == 1
    assert "chmod 600" in output
