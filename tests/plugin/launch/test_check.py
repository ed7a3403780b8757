"""`wetread check`: every failure is found, named and given a remedy."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.serving import BaseWSGIServer, make_server

from plugin.checks import Result, all_checks, machine, models
from plugin.checks.machine import check_clock
from plugin.checks.promises import lacking
from plugin.database import Database
from plugin.jobs.heartbeat import Heartbeat
from plugin.services import open_database
from plugin.settings import load_settings
from smart_launch.discovery import SmartConfiguration
from tests.plugin.launch.conftest import BASE_URL, free_port, make_ehr
from tests.plugin.launch.hospital import Hospital


def environment(
    hospital: Hospital, key_file: Path, tmp_path: Path, **ehr: object
) -> dict[str, str]:
    table = {"id": "north", "name": "N", "issuer": hospital.issuer, "client_id": "wetread"}
    return {
        "WETREAD_BASE_URL": BASE_URL,
        "WETREAD_BIND": f"127.0.0.1:{free_port()}",
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
        if result.kind in ("warning", "failure"):
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


@pytest.fixture
def env(hospital: Hospital, key_file: Path, tmp_path: Path) -> dict[str, str]:
    return environment(hospital, key_file, tmp_path)


@contextmanager
def running(server: BaseWSGIServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def result_of(env: dict[str, str], subject: str) -> Result:
    return next(result for result in all_checks(env) if result.subject == subject)


@pytest.mark.parametrize(
    ("changes", "subject", "words"),
    [
        ({"WETREAD_MODEL": "nope"}, "model", "one of chest_xray, or empty; got 'nope'"),
        ({"WETREAD_MODEL_RUNTIME": "nope"}, "model", "one of onnx; got 'nope'"),
        ({"WETREAD_DATA_DIR": "/proc/x"}, "secret keys and database", "got '/proc/x'"),
        ({"WETREAD_BROKER_URL": "nonsense://u:pw@x"}, "broker", "nonsense://u:**@x"),
        ({"WETREAD_BROKER_URL": "amqp://u:pw@127.0.0.1:9"}, "broker", "does not"),
    ],
)
def test_setting_that_cannot_work_fails_with_name_value_and_remedy(
    env: dict[str, str], changes: dict[str, str], subject: str, words: str
) -> None:
    result = result_of(env | changes, subject)
    assert result.kind == "failure"
    assert next(iter(changes)) in result.text
    assert words in result.text
    assert "pw" not in result.text
    assert result.remedy


def test_address_that_another_program_has_is_a_failure(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # It listens and never answers.
    monkeypatch.setattr(machine, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        env["WETREAD_BIND"] = f"127.0.0.1:{other.getsockname()[1]}"
        result = result_of(env, "address")
    assert result.kind == "failure"
    assert "another program" in result.text


def test_address_where_wetread_itself_answers_is_well(env: dict[str, str], app: Flask) -> None:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    env["WETREAD_BIND"] = f"127.0.0.1:{server.server_port}"
    with running(server):
        assert result_of(env, "address").text.startswith("Wetread answers")


@pytest.mark.parametrize(
    ("difference_s", "kind"),
    [(0.2, "ok"), (-7.4, "ok"), (8.0, "failure"), (-40.0, "failure"), (None, "warning")],
)
def test_clock_that_would_confuse_leases_is_a_failure(
    difference_s: float | None, kind: str
) -> None:
    result = check_clock(difference_s, lease_s=30.0)
    assert result.kind == kind
    assert bool(result.remedy) == (kind != "ok")


def test_clock_of_the_database_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    assert database.clock_difference_s() == pytest.approx(0, abs=2)
    now = time.time
    monkeypatch.setattr("plugin.database.time.time", lambda: now() + 60)
    assert database.clock_difference_s() == pytest.approx(60, abs=2)
    database.close()


def test_worker_of_an_earlier_run_is_not_called_alive(env: dict[str, str]) -> None:
    assert result_of(env, "worker").kind == "warning"
    database = open_database(load_settings(env))
    for age, kind in ((300.0, "failure"), (3.0, "ok")):
        with database.session() as session:
            session.add(Heartbeat(worker=f"w{age}", at=time.time() - age))
        result = result_of(env, "worker")
        assert result.kind == kind
        # A busy machine takes some seconds to look.
        assert any(f"{age + late:.0f}" in result.text for late in range(10))
    database.close()


def test_check_says_what_each_model_runs_on(env: dict[str, str]) -> None:
    env["WETREAD_MODEL"] = "chest_xray"
    result = result_of(env, "model chest_xray")
    assert result.kind == "ok", result
    assert "runs on onnx" in result.text


def test_check_warns_where_a_gpu_is_installed_and_the_processor_computes(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "cuda_is_listed", lambda: True)
    assert [r.kind for r in all_checks(env) if r.subject == "model chest_xray"] == ["ok", "warning"]
