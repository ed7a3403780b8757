"""Reading FHIR R4 with an access token: read, search, history, and several of them at once.

The token goes to the base address that it was given for, and nowhere else.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from smart_launch.addresses import split_secure
from smart_launch.answer import Answer
from smart_launch.errors import (
    FhirError,
    FhirForbidden,
    FhirNotFound,
    FhirUnauthorized,
    FhirUnavailable,
    TransportError,
)
from smart_launch.fhir_addresses import (
    next_address,
    require_type,
    resource_path,
    split_reference,
)
from smart_launch.fhir_answers import require_success, resource_of, unavailable
from smart_launch.fhir_batch import (
    Answered,
    Question,
    Read,
    batch_of,
    entries_of,
    resource_in,
    stored_in,
)
from smart_launch.fhir_bundles import (
    PastVersion,
    SearchResult,
    bundle_entries,
    next_link,
    past_versions,
    search_result,
)
from smart_launch.http import Http, HttpLimits
from smart_launch.stored import Stored, version_of

_FHIR_JSON = "application/fhir+json"
_MOST_PAGES = 200
# HAPI answers equal searches from memory for a while; what was just written counts.
_FRESH = {"Cache-Control": "no-cache"}

Resource = dict[str, Any]
SearchParameters = Mapping[str, str | Sequence[str]]
Pairs = Sequence[tuple[str, str]]


class FhirReader:
    """One FHIR server, with one access token, as far as it is only asked.

    Parameters
    ----------
    base_url : str
        FHIR base address, https outside loopback.
    access_token : str
        Bearer token for exactly this server.
    http : Http, optional
        Shared between clients to reuse connections.
    timeout_s : float
        Seconds for the next bytes of an answer, when no `http` is given.

    Raises
    ------
    TransportError
        ``address_refused``.

    References
    ----------
    SMART App Launch 2.2.0, app-launch.html#access-fhir-api
    """

    def __init__(
        self, base_url: str, access_token: str, *, http: Http | None = None, timeout_s: float = 20.0
    ) -> None:
        split_secure(base_url)
        self.base_url = base_url.rstrip("/")
        self._http = http or Http(HttpLimits(read_s=timeout_s))
        self._authorization = f"Bearer {access_token}"

    def read(self, resource_type: str, resource_id: str) -> Resource:
        """Read one resource.

        Raises
        ------
        FhirError
            By status; ``wrong_resource`` when the answer has another type or id.

        References
        ----------
        FHIR R4, http.html#read
        """
        return self.read_stored(resource_type, resource_id).resource

    def read_stored(self, resource_type: str, resource_id: str) -> Stored:
        """Read one resource together with the version that an update must match."""
        path = resource_path(resource_type, resource_id)
        answer = self._send("GET", f"{self.base_url}/{path}")
        resource = resource_of(answer)
        # Another patient's resource under this address would be shown as this patient's.
        if (resource.get("resourceType"), resource.get("id")) != (resource_type, resource_id):
            raise FhirUnavailable(
                "wrong_resource",
                "The record system answered with another entry than the one asked for.",
                status=answer.status,
            )
        return Stored(resource, resource_id, version_of(answer, resource), path)

    def read_reference(self, reference: str) -> Resource:
        """Read what a literal reference points to, on this server only.

        Raises
        ------
        FhirError
            ``foreign_reference`` or ``reference_invalid`` before anything is sent.

        References
        ----------
        SMART App Launch 2.2.0, app-launch.html#response-6
        """
        return self.read(*split_reference(reference, self.base_url))

    def search(
        self, resource_type: str, parameters: SearchParameters, *, limit: int | None = None
    ) -> Iterator[Resource]:
        """Yield the matches of a search, page by page.

        Parameters
        ----------
        parameters : mapping
            Search parameters; a sequence repeats the parameter.
        limit : int, optional
            Stop after that many matches.

        Raises
        ------
        FhirError
            By status; ``foreign_page`` for a next link to another origin or base;
            ``endless_pages``.

        References
        ----------
        FHIR R4, http.html#search, http.html#paging
        """
        entries = self._entries(resource_type, _pairs(parameters))
        matches = (resource for mode, resource in entries if mode == "match")
        yield from itertools.islice(matches, limit)  # fetches no page beyond the limit

    def search_bundle(self, resource_type: str, parameters: SearchParameters) -> SearchResult:
        """Fetch all pages of a search with ``_include`` or ``_revinclude``."""
        return search_result(self._entries(resource_type, _pairs(parameters)))

    def search_pages(
        self, resource_type: str, parameters: SearchParameters
    ) -> Iterator[Resource]:  # fmt: skip
        """Yield the Bundles of a search as they are; each is fetched when it is asked for."""
        require_type(resource_type)
        yield from self._pages(f"{self.base_url}/{resource_type}", _pairs(parameters))

    def history(self, resource_type: str, resource_id: str) -> list[PastVersion]:
        """Fetch the versions of one entry, newest first, with all pages.

        References
        ----------
        FHIR R4, http.html#history
        """
        address = f"{self.base_url}/{resource_path(resource_type, resource_id)}/_history"
        return [
            version
            for bundle in self._pages(address, ())
            for version in past_versions(bundle, resource_type, resource_id)
        ]

    def ask(self, asked: Question) -> Answered:
        """Ask one question; that something is not there or not allowed is an answer too."""
        try:
            if isinstance(asked, Read):
                return self.read_stored(asked.resource_type, asked.resource_id)
            return search_result(self._entries(asked.resource_type, asked.parameters))
        except (FhirForbidden, FhirNotFound) as error:
            return error

    def batch(self, questions: Sequence[Question]) -> list[Answered | None]:
        """Ask several questions in one request; the answers come in the same order.

        Returns
        -------
        list
            None where the batch gave no usable answer: ask that question by itself. Some servers
            take in a batch only a part of what they take otherwise.

        Raises
        ------
        FhirError
            The server takes no such Bundle; it refused the token for one of the questions; it
            answered one with another resource.

        References
        ----------
        FHIR R4, http.html#transaction
        """
        asked = batch_of(questions)
        answer = self._send("POST", self.base_url, headers=_FRESH, body=asked, repeatable=True)
        entries = entries_of(resource_of(answer), questions)
        pairs = zip(questions, entries, strict=True)
        return [self._answered(question, entry) for question, entry in pairs]

    def _answered(self, asked: Question, entry: Mapping[str, Any]) -> Answered | None:
        found = stored_in(entry, asked) if isinstance(asked, Read) else resource_in(entry)
        if isinstance(found, Stored | FhirForbidden | FhirNotFound):
            return found
        if isinstance(found, FhirUnauthorized):
            raise found
        if isinstance(found, FhirError) or isinstance(asked, Read):
            return None
        pages = itertools.chain([found], self._pages(self._next(found), ()))
        return search_result(e for page in pages for e in bundle_entries(page, asked.resource_type))

    def _entries(self, resource_type: str, pairs: Pairs) -> Iterator[tuple[str, Resource]]:
        require_type(resource_type)
        for bundle in self._pages(f"{self.base_url}/{resource_type}", pairs):
            yield from bundle_entries(bundle, resource_type)

    def _pages(self, first: str | None, pairs: Pairs) -> Iterator[Resource]:
        address = first
        seen = set[str]()
        while address is not None:
            bundle = resource_of(self._send("GET", address, parameters=pairs))
            yield bundle
            address, pairs = self._next(bundle), ()
            if address in seen or len(seen) >= _MOST_PAGES:
                raise FhirUnavailable("endless_pages", "The record system's list does not end.")
            seen.add(address or "")

    def _next(self, bundle: Resource) -> str | None:
        link = next_link(bundle)
        return None if link is None else next_address(link, self.base_url)

    def _send(
        self,
        method: str,
        address: str,
        *,
        headers: Mapping[str, str] | None = None,
        parameters: Sequence[tuple[str, str]] = (),
        body: Resource | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        sent = {"Accept": _FHIR_JSON, "Authorization": self._authorization, **(headers or {})}
        content = None
        if method == "GET":
            sent |= _FRESH
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            sent |= {"Content-Type": _FHIR_JSON}
        try:
            answer = self._http.send(
                method, address, headers=sent, parameters=parameters, content=content,
                repeatable=repeatable,
            )  # fmt: skip
        except TransportError as error:
            raise unavailable(error) from error
        require_success(answer)
        return answer


def _pairs(parameters: SearchParameters) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value)
        for name, values in parameters.items()
        for value in ([values] if isinstance(values, str) else values)
    )
