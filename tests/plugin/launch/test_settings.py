"""Reading the configuration: which values are taken, which stop the start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plugin.ehrs import EhrRegistry
from plugin.errors import EhrUnknown, SettingsError
from plugin.settings import load_settings, unknown_variables

EHR = {
    "id": "north",
    "name": "North",
    "issuer": "https://ehr.example/fhir",
    "client_id": "wetread",
}
LEAST = {"WETREAD_BASE_URL": "https://wetread.example", "WETREAD_DATA_DIR": "/var/lib/wetread"}


def with_ehr(**changes: Any) -> dict[str, str]:
    table = {key: value for key, value in (EHR | changes).items() if value is not None}
    return LEAST | {"WETREAD_EHRS": json.dumps([table])}


def test_two_values_are_enough_and_the_rest_follows() -> None:
    settings = load_settings(LEAST)
    assert settings.database_url == "sqlite:////var/lib/wetread/wetread.sqlite3"
    assert settings.broker_url == "filesystem://"
    assert settings.jwks_url == "https://wetread.example/.well-known/jwks.json"


@pytest.mark.parametrize("name", LEAST)
def test_missing_value_is_named_with_its_variable(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_settings({key: value for key, value in LEAST.items() if key != name})


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wetread.toml"
    path.write_text(
        'base_url = "https://file.example"\ndata_dir = "/from/file"\nweb_threads = 3\n'
        '[[ehrs]]\nid = "north"\nname = "North"\nissuer = "https://ehr.example/fhir"\n'
        'client_id = "wetread"\n'
        'patient_id_systems = { H = "urn:h" }\n'
    )
    env = {"WETREAD_CONFIG": str(path), "WETREAD_BASE_URL": "https://env.example"}
    settings = load_settings(env)
    assert settings.base_url == "https://env.example"
    assert settings.data_dir == Path("/from/file")
    assert settings.web_threads == 3
    (ehr,) = settings.ehrs
    assert ehr.redirect_uri == "https://env.example/callback/north"
    assert ehr.patient_id_systems == {"H": "urn:h"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_URL", "http://wetread.example"),
        ("BASE_URL", "https://wetread.example/"),
        ("BASE_URL", "https://wetread.example/app"),
        ("BASE_URL", "https://user@wetread.example"),
        ("BASE_URL", "ftp://wetread.example"),
        ("BASE_URL", "wetread"),
        ("WEB_THREADS", "many"),
        ("WEB_THREADS", "0"),
        ("HANDLE_HOURS", "-1"),
        ("HTTP_TIMEOUT_S", "nan"),
        ("HTTP_TIMEOUT_S", "inf"),
        ("MODEL_THREADS", "-3"),
        ("BIND", "nonsense"),
        ("BIND", ":8081"),
        ("BIND", "8081"),
        ("BIND", "127.0.0.1:"),
        ("BIND", "127.0.0.1:99999"),
        ("BIND", "127.0.0.1:0"),
        ("BIND", "unix:"),
        ("LOG_LEVEL", "loud"),
        ("PREVALENCE", "0"),
        ("PREVALENCE", "1"),
        ("PREVALENCE", "5"),
        ("PREVALENCE", "some"),
        ("EHRS", "{"),
        ("EHRS", '"north"'),
        ("SECRET_KEY_FILE", "/var/lib/wetread/keys.json"),
    ],
)
def test_unusable_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"WETREAD_{name}"):
        load_settings(LEAST | {f"WETREAD_{name}": value})


@pytest.mark.parametrize(
    "value", ["127.0.0.1:1", "localhost:65535", "[::1]:8081", "unix:/run/wetread.sock"]
)
def test_address_to_listen_on_is_taken(value: str) -> None:
    assert load_settings(LEAST | {"WETREAD_BIND": value}).bind == value


@pytest.mark.parametrize("content", ["base_url = ", 'surprise = "x"', "web_threads = true"])
def test_unusable_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "wetread.toml"
    path.write_text(content)
    with pytest.raises(SettingsError):
        load_settings(LEAST, path)


def test_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match="WETREAD_CONFIG"):
        load_settings(LEAST | {"WETREAD_CONFIG": "/nowhere/wetread.toml"})


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": "North"},
        {"id": "../north"},
        {"issuer": None},
        {"issuer": "http://ehr.example/fhir"},
        {"issuer": "https://ehr.example/fhir?x=1"},
        {"client_id": ""},
        {"authentication": "password"},
        {"authentication": "secret"},
        {"write": "delete"},
        {"report_status": "final"},
        {"frame_ancestors": ["*"]},
        {"frame_ancestors": ["https://viewer.example; script-src *"]},
        {"frame_ancestors": ["https://viewer.example/path"]},
        {"pacs_origins": ["https://pacs.example/dicomweb"]},
        {"pacs_origins": [1]},
        {"allow_unverifiable": "yes"},
        {"patient_id_systems": ["x"]},
        {"redirect_uri": "https://evil.example"},
        {"prevalence": 0},
        {"prevalence": 1.0},
        {"prevalence": -0.1},
        {"prevalence": True},
        {"prevalence": "0.05"},
        {"surprise": 1},
        {"readers": ["Practitioner/1"]},
    ],
)
def test_unusable_ehr_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"ehrs\."):
        load_settings(with_ehr(**change))


def test_prevalence_is_a_share_for_all_ehrs_or_for_one() -> None:
    settings = load_settings(with_ehr(prevalence=0.05) | {"WETREAD_PREVALENCE": "0.2"})
    assert (settings.prevalence, settings.ehrs[0].prevalence) == (0.2, 0.05)
    unset = load_settings(with_ehr())
    assert (unset.prevalence, unset.ehrs[0].prevalence) == (None, None)


def test_secret_of_an_ehr_comes_from_its_own_variable_and_is_never_shown() -> None:
    env = with_ehr(id="north-2", authentication="secret")
    settings = load_settings(env | {"WETREAD_EHR_NORTH_2_CLIENT_SECRET": "s3cr3t"})
    assert settings.ehrs[0].client_secret == "s3cr3t"
    assert "s3cr3t" not in repr(settings)


def test_secret_keys_and_database_password_are_never_shown() -> None:
    secrets = {"WETREAD_SECRET_KEYS": "k3ys", "WETREAD_DATABASE_URL": "postgresql://u:pa55@h/d"}
    shown = repr(load_settings(LEAST | secrets))
    assert "k3ys" not in shown
    assert "pa55" not in shown


def test_issuer_is_found_only_when_it_is_exactly_the_registered_one() -> None:
    registry = EhrRegistry(load_settings(with_ehr()).ehrs)
    assert registry.by_issuer("https://ehr.example/fhir").id == "north"
    for other in ("https://ehr.example/fhir/", "https://EHR.example/fhir", ""):
        with pytest.raises(EhrUnknown):
            registry.by_issuer(other)


def test_two_ehrs_with_one_issuer_are_refused() -> None:
    tables = [EHR, EHR | {"id": "south"}]
    settings = load_settings(LEAST | {"WETREAD_EHRS": json.dumps(tables)})
    with pytest.raises(SettingsError, match="unique"):
        EhrRegistry(settings.ehrs)


@pytest.mark.parametrize(
    ("north", "south", "stops"),
    [
        ({"backend_client_id": "b"}, {"backend_client_id": "b"}, "north"),
        ({"backend_client_id": "b", "token_endpoint": "https://ehr.example/token"},
         {"backend_client_id": "b"}, "south"),
        ({"backend_client_id": "b", "token_endpoint": "https://ehr.example/token"},
         {"backend_client_id": "b", "token_endpoint": "https://s.example/token"}, None),
        ({"backend_client_id": "b"}, {"backend_client_id": "other"}, None),
        # A launch ends with a code of its own EHR, which no other takes.
        ({"authentication": "private_key"}, {"authentication": "private_key"}, None),
        ({"authentication": "private_key"}, {"backend_client_id": "wetread"}, None),
    ],
)  # fmt: skip
def test_one_backend_client_id_at_two_ehrs_needs_the_place_where_each_gives_out_tokens(
    north: dict[str, str], south: dict[str, str], stops: str | None
) -> None:
    named = {"client_id": "wetread"}
    second = {"id": "south", "issuer": "https://s.example/fhir"}
    tables = [EHR | named | north, EHR | named | second | south]
    ehrs = load_settings(LEAST | {"WETREAD_EHRS": json.dumps(tables)}).ehrs
    if stops is None:
        assert len(list(EhrRegistry(ehrs))) == 2
        return
    with pytest.raises(SettingsError, match=f"ehrs.{stops}.token_endpoint must be set"):
        EhrRegistry(ehrs)


def test_registered_token_endpoint_is_the_only_one_that_keys_sign_for() -> None:
    table = {"backend_client_id": "own", "token_endpoint": "https://ehr.example/token"}
    ehr = load_settings(with_ehr(**table)).ehrs[0]
    backend = ehr.backend_registration()
    assert backend is not None
    assert {ehr.registration().token_endpoint, backend.token_endpoint} == {table["token_endpoint"]}
    with pytest.raises(SettingsError, match="token_endpoint must begin with https"):
        load_settings(with_ehr(token_endpoint="http://ehr.example/token"))


def test_registration_names_the_key_address_only_where_it_is_known() -> None:
    plain = load_settings(with_ehr(authentication="private_key")).ehrs[0]
    named = load_settings(with_ehr(authentication="private_key", send_jwks_url=True)).ehrs[0]
    assert plain.registration("https://wetread.example/jwks").jwks_url is None
    assert named.registration("https://wetread.example/jwks").jwks_url is not None


def test_misspelt_variable_is_found() -> None:
    assert unknown_variables(LEAST | {"WETREAD_BASE_ULR": "x"}) == ("WETREAD_BASE_ULR",)
    assert unknown_variables(LEAST | {"WETREAD_EHR_NORTH_CLIENT_SECRET": "x"}) == ()
