"""What stands behind the hospital's FHIR routes and its viewer.

Two implementations: ``sandbox.fhir.sqlite`` (built in) and ``sandbox.fhir.gateway`` (a real FHIR
server). Neither knows users or scopes: ``sandbox.fhir.guard`` stands in front of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Resource = dict[str, Any]
Parameters = Sequence[tuple[str, str]]
ValidationMode = Literal["create", "update"]


@dataclass(frozen=True)
class SearchPage:
    """One page of a search.

    Attributes
    ----------
    matches, includes : list of dict
        Resources that match, and those that ``_include`` added.
    total : int or None
        Number of matches on all pages, when known.
    next_page : str or None
        Opaque mark of the next page: send it as parameter ``_page`` beside the same parameters.
    """

    matches: list[Resource]
    includes: list[Resource] = field(default_factory=list)
    total: int | None = None
    next_page: str | None = None


@dataclass(frozen=True)
class Written:
    """What a write left: the resource as stored, and whether it is new."""

    resource: Resource
    created: bool

    @property
    def version(self) -> str:
        """``meta.versionId``, empty when the server keeps no versions."""
        return str(self.resource.get("meta", {}).get("versionId", ""))


@dataclass(frozen=True)
class ValidationQuestion:
    """What ``$validate`` asks (R4, Resource operation "validate").

    Attributes
    ----------
    resource : dict
        The resource; for an update under its id, for a create without one.
    mode : {"create", "update"} or None
        The write that is meant; None asks about the content only.
    """

    resource: Resource
    mode: ValidationMode | None


class FhirBackend(Protocol):
    """The FHIR R4 interactions that the hospital offers. All raise ``FhirProblem``."""

    def read(self, kind: str, resource_id: str) -> Resource:
        """Read the current version of ``kind/resource_id``; 404 or 410 when absent."""
        ...

    def vread(self, kind: str, resource_id: str, version: str) -> Resource:
        """Read one version."""
        ...

    def search(self, kind: str, parameters: Parameters) -> SearchPage:
        """Search one type; 400 for a parameter that is not known."""
        ...

    def create(self, resource: Resource, *, if_none_exist: str | None = None) -> Written:
        """Store under a new id, or find the one match of ``if_none_exist`` (412 if several)."""
        ...

    def update(
        self, resource: Resource, *, if_match: str | None = None, only_new: bool = False
    ) -> Written:
        """Store under the resource's own id.

        412 when ``if_match`` (a versionId) is not current, or when with ``only_new`` something is
        there; a real server may not listen to the latter.
        """
        ...

    def transaction(self, bundle: Resource) -> Resource:
        """All entries or none; answers a ``transaction-response`` Bundle."""
        ...

    def validate(self, question: ValidationQuestion) -> Resource:
        """OperationOutcome about a resource; nothing is stored, and an error is an answer."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...

    def health(self) -> bool:
        """Whether the store answers."""
        ...
