"""`wetread keys` and `wetread check`."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from plugin.checks import all_checks, lacking
from plugin.commands.keys import command as keys
from plugin.launching.keys import SecretKeys
from smart_launch.discovery import SmartConfiguration
from tests.plugin.launch.conftest import BASE_URL, make_ehr
from tests.plugin.launch.hospital import Hospital


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    done = CliRunner().invoke(keys, ["new", str(path)])
    assert done.exit_code == 0, done.output
    return path


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
    assert run("rotate", "publish", str(path))[0] == 0
    published = SecretKeys.read(path).signing
    assert published.signing_key("ES384").kid == first
    assert len(published.public_jwks()["keys"]) == 4
    assert run("rotate", "publish", str(path))[0] == 1
    assert run("rotate", "sign", str(path))[0] == 0
    signing = SecretKeys.read(path).signing
    assert signing.signing_key("ES384").kid != first
    assert len(signing.public_jwks()["keys"]) == 4
    assert run("rotate", "retire", str(path))[0] == 0
    assert [key.kid for key in SecretKeys.read(path).signing.keys].count(first) == 0
    assert len(SecretKeys.read(path).signing.keys) == 2


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


def environment(
    hospital: Hospital, key_file: Path, tmp_path: Path, **ehr: object
) -> dict[str, str]:
    table = {"id": "north", "name": "N", "issuer": hospital.issuer, "client_id": "wetread"}
    return {
        "WETREAD_BASE_URL": BASE_URL,
        "WETREAD_DATA_DIR": str(tmp_path / "data"),
        "WETREAD_SECRET_KEY_FILE": str(key_file),
        "WETREAD_EHRS": json.dumps([table | ehr]),
    }


def failures(env: dict[str, str]) -> dict[str, str]:
    """Subject and remedy of what failed; the models are other people's concern."""
    found = {}
    for result in all_checks(env):
        if result.subject.startswith("model"):
            break
        if result.kind != "ok":
            assert result.remedy
        if result.kind == "failure":
            found[result.subject] = result.text
    return found


def test_check_of_a_good_configuration_finds_no_failure(
    hospital: Hospital, key_file: Path, tmp_path: Path
) -> None:
    env = environment(hospital, key_file, tmp_path, pacs_origins=[hospital.base])
    assert failures(env) == {}
    assert hospital.paths("smart-configuration") == 1


def test_check_names_the_hospital_and_the_archive_that_do_not_answer(
    hospital: Hospital, key_file: Path, tmp_path: Path
) -> None:
    nobody = "http://127.0.0.1:9"
    env = environment(hospital, key_file, tmp_path, issuer=nobody, pacs_origins=[nobody])
    assert set(failures(env)) == {"EHR north"}


def test_check_fetches_the_public_keys_as_a_hospital_does(
    hospital: Hospital, key_file: Path, tmp_path: Path
) -> None:
    env = environment(hospital, key_file, tmp_path, authentication="private_key")
    assert "JWKS" in failures(env | {"WETREAD_BASE_URL": "http://127.0.0.1:9"})
    # The hospital's own keys stand at that address: others than ours.
    hospital_keys = env | {"WETREAD_BASE_URL": hospital.base}
    assert "JWKS" in failures(hospital_keys)


def test_check_without_keys_says_so(hospital: Hospital, key_file: Path, tmp_path: Path) -> None:
    env = environment(hospital, key_file, tmp_path)
    del env["WETREAD_SECRET_KEY_FILE"]
    assert "secret keys and database" in failures(env)


def test_check_of_an_empty_environment_stops_at_the_configuration() -> None:
    results = list(all_checks({}))
    assert [(result.kind, result.subject) for result in results] == [("failure", "configuration")]
    assert "WETREAD_BASE_URL" in results[0].text


def test_check_lists_what_a_hospital_does_not_promise(hospital: Hospital) -> None:
    ehr = make_ehr(hospital, authentication="private_key")
    bare = SmartConfiguration(fhir_base=hospital.issuer, token_endpoint=f"{hospital.base}/token")
    results = list(lacking("EHR north", ehr, bare))
    assert [result.kind for result in results] == ["failure", "warning"]
    for word in ("launch-ehr", "client-confidential-asymmetric", "PKCE S256"):
        assert word in results[1].text


def test_check_names_misspelt_variables(hospital: Hospital, key_file: Path, tmp_path: Path) -> None:
    env = environment(hospital, key_file, tmp_path) | {"WETREAD_LOG_LEVLE": "INFO"}
    results = all_checks(env)
    assert any(r.kind == "warning" and "WETREAD_LOG_LEVLE" in r.text for r in results)
