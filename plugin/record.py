"""The patient's record, with the rights of the user who launched Wetread and no others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from plugin.errors import LaunchExpired
from plugin.launching.token_source import TokenSource
from plugin.offers import Offer, Offers
from smart_launch.errors import (
    FhirConflict,
    FhirError,
    FhirForbidden,
    FhirNotFound,
    FhirRejected,
    FhirUnauthorized,
    FhirUnavailable,
)
from smart_launch.fhir_batch import Answered, Question, Search
from smart_launch.fhir_bundles import PastVersion, SearchResult
from smart_launch.fhir_client import FhirClient
from smart_launch.fhir_reader import Resource
from smart_launch.http import Http
from smart_launch.stored import Stored

if TYPE_CHECKING:
    from plugin.launching.launches import OpenLaunch
    from plugin.services import Services

Answer = TypeVar("Answer")
# What servers without batches say to one, besides refusing it in so many words. Answers in another
# order are the batch's fault too, unless the same is said again to a question asked by itself.
NOT_TAKEN = (
    *("server_error", "not_fhir", "not_json", "html_not_json", "redirected", "too_large"),
    "wrong_resource",
)


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
    offers : Offers, optional
        What the records were found not to offer; shared between jobs too.
    """

    def __init__(
        self,
        tokens: TokenSource,
        holder: str,
        base_url: str,
        http: Http,
        offers: Offers | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._tokens, self._holder, self._http = tokens, holder, http
        self._token: str | None = None
        self._offers = offers or Offers()

    def offers(self, offer: Offer) -> bool:
        """Tell whether it is worth trying; False for a while after the record refused it."""
        return self._offers.has(self.base_url, offer)

    def note_refused(self, offer: Offer) -> None:
        """Remember that the record refused it."""
        self._offers.refused(self.base_url, offer)

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

    def ask_all(self, *questions: Question, known: Collection[Question] = ()) -> list[Answered]:
        """Ask several questions, in one request where the record takes a batch.

        Some servers answer 404 to all that stands in a batch. So one that denies what was there a
        moment ago is not believed: everything is asked again, one by one.

        Parameters
        ----------
        known : collection
            Those of the questions that are about what was there a moment ago.

        Returns
        -------
        list
            In the order of the questions; that something is not there or not allowed is an answer.

        Raises
        ------
        FhirError
            A question got neither.
        """
        if len(questions) < 2 or not self.offers("batch"):
            return [self._ask_one(question) for question in questions]
        try:
            found = self._ask(lambda client: client.batch(questions))
        except FhirError as error:
            if not _refuses_bundles(error):
                raise
            found = None
        if found is not None and not _denies(questions, found, known):
            pairs = zip(questions, found, strict=True)
            return [answer or self._ask_one(question) for question, answer in pairs]
        singly = [self._ask_one(question) for question in questions]
        if found is None or not _denies(questions, singly, known):
            self.note_refused("batch")
        return singly

    def _ask_one(self, question: Question) -> Answered:
        return self._ask(lambda client: client.ask(question))

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


def record_of(services: Services, launch: OpenLaunch) -> Record:
    """Give the record of a launch's EHR, with the rights of the launch's user."""
    return Record(services.tokens, launch.id, launch.ehr.issuer, services.http, services.offers)


def _denies(
    questions: Sequence[Question], answers: Sequence[Answered | None], known: Collection[Question]
) -> bool:
    """Tell whether what must be there is said not to be; a search finds nothing, but is there."""
    return any(
        isinstance(answer, FhirNotFound)
        if isinstance(question, Search)
        else question in known and isinstance(answer, FhirNotFound | FhirForbidden)
        for question, answer in zip(questions, answers, strict=True)
    )


def _refuses_bundles(error: FhirError) -> bool:
    """Tell a record that takes no batch from one that cannot answer now."""
    if isinstance(error, FhirUnavailable):
        return error.code in NOT_TAKEN
    return isinstance(error, FhirRejected | FhirForbidden | FhirNotFound | FhirConflict)
