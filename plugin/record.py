"""The patient's record, with the rights of the user who launched Wetread and no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from plugin.errors import LaunchExpired
from plugin.launching.token_source import TokenSource
from smart_launch.errors import FhirUnauthorized
from smart_launch.fhir_bundles import PastVersion
from smart_launch.fhir_client import FhirClient, Resource, SearchResult
from smart_launch.http import Http
from smart_launch.stored import Stored

Answer = TypeVar("Answer")


class Record:
    """FHIR requests of one launch; a token that ran out in between is renewed once.

    A request answered with 401 was not carried out, so repeating it is safe for writes too.

    Parameters
    ----------
    tokens : TokenSource
    holder : str
        Whose token: the launch's id; the EHR's for reading without a user.
    base_url : str
        FHIR base of that EHR.
    http : Http
        Shared between jobs, so that connections are reused.
    """

    def __init__(self, tokens: TokenSource, holder: str, base_url: str, http: Http) -> None:
        self.base_url = base_url.rstrip("/")
        self._tokens, self._holder, self._http = tokens, holder, http
        self._token: str | None = None

    def token(self, rejected: str | None = None) -> str:
        """Give the access token; a fresh one in place of one that was rejected."""
        if self._token is None or rejected is not None:
            self._token = self._tokens.access_token(self._holder, rejected=rejected)
        return self._token

    def read(self, resource_type: str, resource_id: str) -> Resource:
        """Read one resource."""
        return self._ask(lambda client: client.read(resource_type, resource_id))

    def read_stored(self, resource_type: str, resource_id: str) -> Stored:
        """Read one resource with its version."""
        return self._ask(lambda client: client.read_stored(resource_type, resource_id))

    def search(
        self, resource_type: str, parameters: Mapping[str, str | Sequence[str]]
    ) -> list[Resource]:
        """Give the matches of a search."""
        return self._ask(lambda client: list(client.search(resource_type, parameters)))

    def search_bundle(
        self, resource_type: str, parameters: Mapping[str, str | Sequence[str]]
    ) -> SearchResult:
        """Give the matches of a search and what was included with them."""
        return self._ask(lambda client: client.search_bundle(resource_type, parameters))

    def history(self, resource_type: str, resource_id: str) -> list[PastVersion]:
        """Give the versions of one entry, newest first."""
        return self._ask(lambda client: client.history(resource_type, resource_id))

    def create(self, resource: Resource, *, if_none_exist: str | None = None) -> Stored:
        """Create a resource."""
        return self._ask(lambda client: client.create(resource, if_none_exist=if_none_exist))

    def update(
        self, resource: Resource, *, if_match: str | None = None, only_new: bool = False
    ) -> Stored:
        """Put a resource under its id."""
        return self._ask(
            lambda client: client.update(resource, if_match=if_match, only_new=only_new)
        )

    def transaction(self, bundle: dict[str, Any]) -> Resource:
        """Send a transaction."""
        return self._ask(lambda client: client.transaction(bundle))

    def validate(self, resource: Resource, *, mode: str | None = None) -> Resource:
        """Let the server check a resource without storing it."""
        return self._ask(lambda client: client.validate(resource, mode=mode))

    def _ask(self, question: Callable[[FhirClient], Answer]) -> Answer:
        token = self.token()
        try:
            return question(self._client(token))
        except FhirUnauthorized:
            token = self.token(rejected=token)
        try:
            return question(self._client(token))
        except FhirUnauthorized as error:
            raise LaunchExpired(
                "The record must accept your sign-in; it refused a fresh one as well."
            ) from error

    def _client(self, token: str) -> FhirClient:
        return FhirClient(self.base_url, token, http=self._http)
