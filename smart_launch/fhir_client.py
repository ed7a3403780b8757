"""Reading and writing FHIR R4 with an access token (http.html; SMART "Access FHIR API").

The token goes to the base address that it was given for, and nowhere else.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from smart_launch.addresses import split_secure
from smart_launch.answer import Answer
from smart_launch.errors import FhirError, FhirUnavailable, TransportError
from smart_launch.fhir_addresses import (
    next_address,
    require_type,
    resource_path,
    split_reference,
)
from smart_launch.fhir_answers import require_success, resource_of, unavailable
from smart_launch.fhir_bundles import PastVersion, bundle_entries, next_link, past_versions
from smart_launch.http import Http, HttpLimits
from smart_launch.stored import Stored, bare_etag, read_stored, version_of

_FHIR_JSON = "application/fhir+json"
_MOST_PAGES = 200
_QUERY_CHARACTERS = "=&|:/?%+,;$@!*'()~"

Resource = dict[str, Any]
SearchParameters = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class SearchResult:
    """All pages of a search: what matched, and what ``_include`` brought along."""

    matches: tuple[Resource, ...] = field(repr=False)
    included: tuple[Resource, ...] = field(repr=False)


class FhirClient:
    """One FHIR server, with one access token.

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
        entries = self._entries(resource_type, parameters)
        matches = (resource for mode, resource in entries if mode == "match")
        yield from itertools.islice(matches, limit)  # fetches no page beyond the limit

    def search_bundle(self, resource_type: str, parameters: SearchParameters) -> SearchResult:
        """Fetch all pages of a search with ``_include`` or ``_revinclude``."""
        entries = list(self._entries(resource_type, parameters))
        matches = tuple(resource for mode, resource in entries if mode == "match")
        included = tuple(resource for mode, resource in entries if mode == "include")
        return SearchResult(matches, included)

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

    def create(self, resource: Resource, *, if_none_exist: str | None = None) -> Stored:
        """Create a resource; never repeated, because a lost answer may hide a success.

        Parameters
        ----------
        if_none_exist : str, optional
            Search parameters, such as ``identifier=system|value``, that must match nothing.

        References
        ----------
        FHIR R4, http.html#create, http.html#ccreate
        """
        headers = {}
        if if_none_exist is not None:
            # A header holds ASCII only; a line break in it would begin another header.
            headers["If-None-Exist"] = quote(if_none_exist, safe=_QUERY_CHARACTERS)
        resource_type = _type_of(resource)
        answer = self._send(
            "POST", f"{self.base_url}/{resource_type}", headers=headers, body=resource
        )
        return read_stored(answer, resource_type, resource, None)

    def update(
        self, resource: Resource, *, if_match: str | None = None, only_new: bool = False
    ) -> Stored:
        """Put a resource under its id; never repeated, because others may have changed it since.

        Parameters
        ----------
        if_match : str, optional
            Version that must still be current.
        only_new : bool
            Ask the server to refuse where something lies already. Not every server listens:
            `Stored.created` tells.

        References
        ----------
        FHIR R4, http.html#update, http.html#concurrency; RFC 9110 13.1.2
        """
        resource_type = _type_of(resource)
        resource_id = str(resource.get("id", ""))
        path = resource_path(resource_type, resource_id)
        headers = {} if if_match is None else {"If-Match": f'W/"{bare_etag(if_match)}"'}
        if only_new:
            headers["If-None-Match"] = "*"
        answer = self._send(
            "PUT", f"{self.base_url}/{path}", headers=headers, body=resource, repeatable=False
        )
        return read_stored(answer, resource_type, resource, resource_id)

    def transaction(self, bundle: Resource, *, repeatable: bool = False) -> Resource:
        """Send a transaction Bundle and return the server's response Bundle.

        Parameters
        ----------
        repeatable : bool
            True only when every entry is a PUT under an id of our own.

        References
        ----------
        FHIR R4, http.html#transaction
        """
        answer = self._send("POST", self.base_url, body=bundle, repeatable=repeatable)
        response = resource_of(answer)
        if response["resourceType"] != "Bundle":
            raise FhirUnavailable(
                "not_fhir", "The record system did not confirm what was sent.", status=answer.status
            )
        return response

    def validate(self, resource: Resource, *, mode: str | None = None) -> Resource:
        """Let the server check a resource without storing it; returns its OperationOutcome.

        Parameters
        ----------
        mode : str, optional
            ``create`` or ``update``: whether it could be stored in this way, too.

        References
        ----------
        FHIR R4, resource-operation-validate.html
        """
        address = f"{self.base_url}/{_type_of(resource)}/$validate"
        parameters = (("mode", mode),) if mode else ()
        return resource_of(
            self._send("POST", address, parameters=parameters, body=resource, repeatable=True)
        )

    def _entries(
        self, resource_type: str, parameters: SearchParameters
    ) -> Iterator[tuple[str, Resource]]:
        require_type(resource_type)
        for bundle in self._pages(f"{self.base_url}/{resource_type}", _pairs(parameters)):
            yield from bundle_entries(bundle, resource_type)

    def _pages(self, first: str, pairs: tuple[tuple[str, str], ...]) -> Iterator[Resource]:
        address: str | None = first
        seen = set[str]()
        while address is not None:
            bundle = resource_of(self._send("GET", address, parameters=pairs))
            yield bundle
            link, pairs = next_link(bundle), ()
            address = None if link is None else next_address(link, self.base_url)
            if address in seen or len(seen) >= _MOST_PAGES:
                raise FhirUnavailable("endless_pages", "The record system's list does not end.")
            seen.add(address or "")

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
            # HAPI answers equal searches from memory for a while; what was just written counts.
            sent["Cache-Control"] = "no-cache"
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            sent |= {"Content-Type": _FHIR_JSON, "Prefer": "return=representation"}
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


def _type_of(resource: Resource) -> str:
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str):
        raise FhirError("reference_invalid", "Only a FHIR resource can be sent.")
    require_type(resource_type)
    return resource_type
