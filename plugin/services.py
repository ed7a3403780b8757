"""What web process and worker share, built in the same way in both."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from plugin.database import Database
from plugin.ehrs import EhrRegistry
from plugin.launching.keys import SecretKeys
from plugin.launching.launch_states import StateStore
from plugin.launching.launches import LaunchStore
from plugin.launching.tokens import Tokens
from plugin.launching.vault import Vault
from plugin.readings import UNFINISHED, Opening, Reading
from plugin.settings import Settings
from smart_launch.http import Http, HttpLimits
from smart_launch.server_keys import ServerKeyCache


@dataclass(frozen=True)
class Services:
    """The parts of a running Wetread.

    Attributes
    ----------
    http : Http
        For discovery and tokens; an `FhirClient` for a launch comes from `tokens`.
    """

    settings: Settings
    database: Database
    keys: SecretKeys
    vault: Vault
    ehrs: EhrRegistry
    http: Http
    server_keys: ServerKeyCache
    states: StateStore
    launches: LaunchStore
    tokens: Tokens


def build_services(settings: Settings) -> Services:
    """Open the database, bring it up to date, check the secret keys and put the parts together.

    Raises
    ------
    DatabaseError, VaultError, SettingsError
        The start must not go on.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = SecretKeys.load(settings)
    database = Database(settings.database_url)
    database.upgrade()
    vault = Vault(keys.vault)
    ehrs = EhrRegistry(settings.ehrs)
    http = Http(HttpLimits(read_s=settings.http_timeout_s))
    states = StateStore(database, vault, settings.state_minutes * 60)
    launches = LaunchStore(database, vault, ehrs, settings)
    vault.check(database, states.key_ids() | launches.key_ids())
    tokens = Tokens(launches, http, keys.signing, settings, lambda one: has_jobs(database, one))
    return Services(
        settings=settings,
        database=database,
        keys=keys,
        vault=vault,
        ehrs=ehrs,
        http=http,
        server_keys=ServerKeyCache(),
        states=states,
        launches=launches,
        tokens=tokens,
    )


def has_jobs(database: Database, launch_id: str) -> bool:
    """Tell whether a launch still has jobs that need its tokens."""
    with database.session() as session:
        for kind in (Opening, Reading):
            open_jobs = (kind.launch_id == launch_id, kind.state.in_(UNFINISHED))
            if session.scalar(select(kind.id).where(*open_jobs).limit(1)):
                return True
    return False
