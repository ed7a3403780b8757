"""What web process and worker share, built in the same way in both."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import select

from plugin.database import Database
from plugin.ehrs import EhrRegistry
from plugin.errors import SettingsError
from plugin.launching.backend_tokens import BackendTokens
from plugin.launching.keys import SecretKeys
from plugin.launching.launch_states import StateStore
from plugin.launching.launches import LaunchStore
from plugin.launching.styles import Styles
from plugin.launching.tokens import Tokens
from plugin.launching.vault import Vault, VaultCheck
from plugin.offers import Offers
from plugin.readings import UNFINISHED, Opening, Reading
from plugin.settings import Settings
from smart_launch.configuration_cache import ConfigurationCache
from smart_launch.http import Http, HttpLimits
from smart_launch.server_keys import ServerKeyCache

BRIEF_SECONDS = 10.0


@dataclass(frozen=True)
class Services:
    """The parts of a running Wetread.

    Attributes
    ----------
    http : Http
        For tokens and FHIR; the record of a launch comes from `record_of`.
    brief_http : Http
        With short limits: for what a page waits for and can do without.
    configurations : ConfigurationCache
        What the EHRs say about their authorization servers; with short limits of its own.
    offers : Offers
        What the EHRs' records refused lately.
    backend_tokens : BackendTokens
        For reading without a user; never a stand-in for a user's token that ran out.
    """

    settings: Settings
    database: Database
    keys: SecretKeys
    vault: Vault
    ehrs: EhrRegistry
    http: Http
    brief_http: Http
    configurations: ConfigurationCache
    server_keys: ServerKeyCache
    states: StateStore
    launches: LaunchStore
    tokens: Tokens
    backend_tokens: BackendTokens
    offers: Offers
    styles: Styles


def build_services(settings: Settings) -> Services:
    """Open the database, bring it up to date, check the secret keys and put the parts together.

    Raises
    ------
    DatabaseError, VaultError, SettingsError
        The start must not go on.
    """
    keys = SecretKeys.load(settings)
    database = open_database(settings)
    vault = Vault(keys.vault)
    ehrs = EhrRegistry(settings.ehrs)
    http = Http(HttpLimits(read_s=settings.http_timeout_s))
    states = StateStore(database, vault, settings.state_minutes * 60)
    launches = LaunchStore(database, vault, ehrs, settings)
    vault.check(database, states.key_ids() | launches.key_ids())
    brief_http = Http(_brief_limits(settings))
    configurations = ConfigurationCache(brief_http)
    own = (http, configurations, keys.signing, settings.jwks_url)
    return Services(
        settings=settings,
        database=database,
        keys=keys,
        vault=vault,
        ehrs=ehrs,
        http=http,
        brief_http=brief_http,
        configurations=configurations,
        server_keys=ServerKeyCache(),
        states=states,
        launches=launches,
        tokens=Tokens(launches, *own, partial(has_jobs, database)),
        backend_tokens=BackendTokens(ehrs, *own),
        offers=Offers(),
        styles=Styles(configurations),
    )


def open_database(settings: Settings) -> Database:
    """Make the data folder, open the database and bring it up to date.

    Raises
    ------
    SettingsError
        The data folder cannot be made or written.
    DatabaseError
        The database cannot be used.
    """
    folder = settings.data_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK | os.X_OK) else "it cannot be written"
    except OSError as error:
        reason = error.strerror or type(error).__name__
    if reason:
        raise SettingsError(
            "data_dir (WETREAD_DATA_DIR) must be a folder that Wetread can make and write; "
            f"got {str(folder)!r} ({reason})"
        )
    close_to_others(folder)
    database = Database(settings.database_url)
    database.upgrade()
    return database


def close_to_others(folder: Path) -> None:
    """Close the folder of patients' data that somebody else made and left open.

    A volume that belongs to somebody else may stay open to the group: containers are often given
    theirs in this way.

    Raises
    ------
    SettingsError
        Everybody on the machine may enter it, and it is not ours to close.
    """
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not mode & 0o077:
        return
    try:
        folder.chmod(0o700)
    except PermissionError as error:
        if mode & 0o007:
            raise SettingsError(
                "data_dir (WETREAD_DATA_DIR) must be closed to other users of the machine; "
                f"its mode is {mode:o}"
            ) from error


def _brief_limits(settings: Settings) -> HttpLimits:
    """Short: anybody may ask for a launch, and each waits in a thread of the web process."""
    wait_s = min(BRIEF_SECONDS, settings.http_timeout_s)
    return HttpLimits(connect_s=min(3.0, wait_s), read_s=wait_s, total_s=wait_s, attempts=2)


def vault_keys_needed(settings: Settings, keys: SecretKeys) -> set[str]:
    """List the vault keys that stored values need; all of them while nobody can tell.

    Nobody can while no process has started with the newest key: one may still seal with another.

    Raises
    ------
    SettingsError, DatabaseError
        The database cannot be asked.
    """
    database = open_database(settings)
    try:
        with database.session() as session:
            in_use = set(session.scalars(select(VaultCheck.key_id)))
        if keys.vault[-1].id not in in_use:
            return {key.id for key in keys.vault}
        vault = Vault(keys.vault)
        states = StateStore(database, vault, settings.state_minutes * 60)
        launches = LaunchStore(database, vault, EhrRegistry(settings.ehrs), settings)
        return states.key_ids() | launches.key_ids()
    finally:
        database.close()


def has_jobs(database: Database, launch_id: str) -> bool:
    """Tell whether a launch still has jobs that need its tokens."""
    with database.session() as session:
        for kind in (Opening, Reading):
            open_jobs = (kind.launch_id == launch_id, kind.state.in_(UNFINISHED))
            if session.scalar(select(kind.id).where(*open_jobs).limit(1)):
                return True
    return False
