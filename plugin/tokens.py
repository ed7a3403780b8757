"""The user's tokens: sealed in the launch's row, renewed by one caller at a time."""

from __future__ import annotations

from plugin.launches import LaunchStore
from plugin.settings import Settings
from smart_launch.client_keys import KeySet
from smart_launch.fhir_client import FhirClient
from smart_launch.http import Http


class Tokens:
    """Gives out access tokens of launches.

    Parameters
    ----------
    store : LaunchStore
    http : Http
    keys : KeySet or None
        For EHRs with `private_key`.
    settings : Settings
    """

    def __init__(
        self, store: LaunchStore, http: Http, keys: KeySet | None, settings: Settings
    ) -> None:
        self.store, self.http, self.keys, self.settings = store, http, keys, settings

    def access_token(self, launch_id: str, *, rejected: str | None = None) -> str:
        """Give an access token that is valid for a while yet; renew it when it is not.

        Raises
        ------
        LaunchExpired
            It has run out and cannot be renewed.
        """
        raise NotImplementedError

    def fhir_client(self, launch_id: str, *, rejected: str | None = None) -> FhirClient:
        """Give a FHIR client with the launch's access token."""
        raise NotImplementedError

    def end(self, launch_id: str) -> None:
        """End the launch: its handle is dead at once, its tokens are revoked when its jobs are."""
        raise NotImplementedError
