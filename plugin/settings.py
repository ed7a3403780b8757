"""All settings, read once at start from wetread.toml and `WETREAD_*`; the environment wins.

The dataclass below is the one table: `docs/settings.md` is compared with it by a test.
"""

# `described` is dataclasses.field with an explanation.
# ruff: noqa: RUF009
from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any

from plugin.addresses import check_origin, listening_at
from plugin.ehr_table import read_ehr
from plugin.ehrs import Ehr, described
from plugin.errors import SettingsError
from plugin.shares import check_share

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Wetread's configuration; one field per key of wetread.toml and per `WETREAD_<NAME>`."""

    base_url: str = described("Public address of Wetread: scheme, host and port, nothing more.")
    data_dir: Path = described("Folder for database, queue and cached images; kept private.")
    ehrs: tuple[Ehr, ...] = described(
        "The registered EHRs: `[[ehrs]]` tables; in the environment a JSON list.", ()
    )
    secret_key_file: Path | None = described(
        "File with the secret keys, outside `data_dir`; made by `wetread keys new`.", None
    )
    secret_keys: str | None = described(
        "The content of that file, instead of the file.", None, secret=True
    )
    database_url: str = described(
        "SQLAlchemy address of the database; empty: SQLite in `data_dir`.", "", secret=True
    )
    broker_url: str = described("Celery broker; empty: a folder in `data_dir`.", "", secret=True)
    bind: str = described(
        "Address and port that the web server listens on, or `unix:PATH`.", "127.0.0.1:8081"
    )
    web_threads: int = described("Requests that the web process answers at the same time.", 24)
    worker_threads: int = described("Readings that one worker does at the same time.", 2)
    model: str = described("Model to read with; empty: chosen by the study's modality.", "")
    prevalence: float | None = described(
        "Share (0 to 1) of patients at such an X-ray who have Covid-19, for EHRs that set none; "
        "none: the model's own.",
        None,
    )
    model_runtime: str = described("What runs the models: `onnx`.", "onnx")
    model_threads: int = described("Threads of one prediction; 0: as many as there are cores.", 0)
    http_timeout_s: float = described("Longest wait for an answer of EHR or archive.", 20.0)
    state_minutes: float = described("Longest time between launch and callback.", 10.0)
    handle_idle_minutes: float = described("A page unused for so long must be opened again.", 30.0)
    handle_hours: float = described("A page must be opened again after so long in any case.", 8.0)
    job_lease_s: float = described("A job whose worker is silent for so long is done again.", 30.0)
    job_sweep_s: float = described("How often unfinished jobs are looked for.", 30.0)
    job_attempts: int = described(
        "How often one job is tried before it has failed; a reading twice more if the EHR is away.",
        3,
    )
    job_limit: int = described("Unfinished jobs of one launch at the same time.", 4)
    study_images: int = described("Images of one study that are fetched at most.", 4000)
    study_megabytes: int = described(
        "Size of all images of one study together that is accepted at most; they lie on disk.", 4096
    )
    image_megabytes: int = described("Size of one image that is accepted at most.", 256)
    cache_hours: float = described("Cached images are deleted after so long.", 12.0)
    retention_days: float = described(
        "Ended launches and readings are deleted after so long.", 30.0
    )
    log_level: str = described("`DEBUG`, `INFO`, `WARNING` or `ERROR`.", "INFO")

    def __post_init__(self) -> None:
        """Check the values and fill in the addresses that follow from `data_dir`."""
        _check(self)
        if not self.database_url:
            address = f"sqlite:///{self.data_dir / 'wetread.sqlite3'}"
            object.__setattr__(self, "database_url", address)
        if not self.broker_url:
            object.__setattr__(self, "broker_url", "filesystem://")

    @property
    def jwks_url(self) -> str:
        """Where Wetread's public keys are served."""
        return f"{self.base_url}/.well-known/jwks.json"


def _check(settings: Settings) -> None:
    check_origin("base_url (WETREAD_BASE_URL)", settings.base_url)
    if settings.log_level not in LOG_LEVELS:
        raise SettingsError(
            f"log_level (WETREAD_LOG_LEVEL) must be one of {', '.join(LOG_LEVELS)}; "
            f"got {settings.log_level!r}"
        )
    for entry in fields(Settings):
        value = getattr(settings, entry.name)
        if isinstance(value, int | float):
            _check_number(entry, value)
    if settings.prevalence is not None:
        check_share("prevalence (WETREAD_PREVALENCE)", settings.prevalence)
    listening_at("bind (WETREAD_BIND)", settings.bind)
    _check_key_place(settings)


def _check_number(entry: Field[Any], value: float) -> None:
    least = "0 or more" if entry.name == "model_threads" else "more than 0"
    if not math.isfinite(value) or value < 0 or (value == 0 and least == "more than 0"):
        raise SettingsError(f"{_names(entry)} must be {least}; got {value!r}")


def _check_key_place(settings: Settings) -> None:
    """The keys must not lie beside what they protect: one stolen backup would hold both."""
    if settings.secret_key_file is None:
        return
    place = settings.secret_key_file.resolve()
    if place.is_relative_to(settings.data_dir.resolve()):
        raise SettingsError(
            "secret_key_file (WETREAD_SECRET_KEY_FILE) must lie outside data_dir; it lies inside"
        )


def load_settings(env: Mapping[str, str] | None = None, path: Path | str | None = None) -> Settings:
    """Read the settings.

    Parameters
    ----------
    env : mapping, optional
        The environment; the process's own by default.
    path : path, optional
        wetread.toml; by default `WETREAD_CONFIG`, and without that no file.

    Raises
    ------
    SettingsError
        A value is missing, unknown or unusable; the message names key and variable.
    """
    env = os.environ if env is None else env
    path = path or env.get("WETREAD_CONFIG") or None
    table = _read_file(Path(path)) if path else {}
    known = {entry.name: entry for entry in fields(Settings)}
    for key in table:
        if key not in known:
            raise SettingsError(f"wetread.toml: every key must be a known one; got {key!r}")
    values: dict[str, Any] = {}
    for name, entry in known.items():
        raw = env.get(f"WETREAD_{name.upper()}") or table.get(name)
        if raw is not None:
            values[name] = raw if name == "ehrs" else _convert(entry, raw)
        elif entry.default is MISSING:
            raise SettingsError(f"{_names(entry)} must be set; it is missing")
    check_origin("base_url (WETREAD_BASE_URL)", values["base_url"])
    values["ehrs"] = _read_ehrs(values.get("ehrs", []), values["base_url"], env)
    return Settings(**values)


def unknown_variables(env: Mapping[str, str]) -> tuple[str, ...]:
    """List `WETREAD_*` variables that mean nothing: most likely misspelt."""
    known = {f"WETREAD_{entry.name.upper()}" for entry in fields(Settings)} | {"WETREAD_CONFIG"}
    ours = (name for name in env if name.startswith("WETREAD_"))
    return tuple(sorted(n for n in ours if n not in known and not n.startswith("WETREAD_EHR_")))


def _names(entry: Field[Any]) -> str:
    return f"{entry.name} (WETREAD_{entry.name.upper()})"


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"WETREAD_CONFIG must name a readable file; {error.strerror}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"wetread.toml must be valid TOML; {error}") from error


def _convert(entry: Field[Any], raw: Any) -> Any:
    """Turn what TOML or the environment gives into the field's type."""
    kind = str(entry.type).removesuffix(" | None")
    wanted: Any = {"int": int, "float": (int, float), "str": str, "Path": str}[kind]
    if isinstance(raw, str) and kind in ("int", "float"):
        try:
            return int(raw) if kind == "int" else float(raw)
        except ValueError:
            raise SettingsError(f"{_names(entry)} must be a number; got {raw!r}") from None
    if not isinstance(raw, wanted) or isinstance(raw, bool):
        raise SettingsError(f"{_names(entry)} must be of type {kind}; got {type(raw).__name__}")
    return {"Path": Path, "float": float}.get(kind, lambda value: value)(raw)


def _read_ehrs(raw: Any, base_url: str, env: Mapping[str, str]) -> tuple[Ehr, ...]:
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except json.JSONDecodeError as error:
            raise SettingsError(f"ehrs (WETREAD_EHRS) must be a JSON list; {error.msg}") from error
    if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
        raise SettingsError("ehrs (WETREAD_EHRS) must be a list of tables")
    return tuple(read_ehr(table, base_url, env) for table in raw)
