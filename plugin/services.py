"""What web process and worker share, built in the same way in both."""

from __future__ import annotations

from dataclasses import dataclass

from plugin.database import Database
from plugin.ehrs import EhrRegistry
from plugin.launches import LaunchStore
from plugin.secret_keys import SecretKeys
from plugin.settings import Settings
from plugin.tokens import Tokens
from plugin.vault import Vault
from smart_launch.http import Http


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
    http = Http(timeout_s=settings.http_timeout_s)
    launches = LaunchStore(database, vault, ehrs, settings)
    vault.check(database, launches.key_ids())
    tokens = Tokens(launches, http, keys.signing, settings)
    return Services(settings, database, keys, vault, ehrs, http, launches, tokens)
