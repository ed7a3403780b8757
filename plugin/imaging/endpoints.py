"""Where a study's images may be fetched from: FHIR Endpoints and the origins registered. Pure.

References
----------
FHIR R4 ImagingStudy.endpoint, ImagingStudy.series.endpoint, Endpoint; SMART Imaging Access (draft),
"requires access token"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plugin.addresses import origin_of
from plugin.imaging.identity import local_id
from smart_launch.addresses import origin
from smart_launch.errors import TransportError

WADO_RS = "dicom-wado-rs"
# Argonaut imaging: false means that the address itself is the secret, so no token goes there.
TOKEN_FLAG = "requires-access-token"  # noqa: S105 (the end of an extension's address)
# An Endpoint that is suspended, in error, off or entered in error is not asked; one for tests only
# where there is no other.
USABLE = ("active", "test")

Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Archive:
    """A DICOMweb service of a registered origin.

    Attributes
    ----------
    url : str
        Base of the service, without a slash at the end.
    wants_token : bool
        False: the address itself is the secret; it is never logged and gets no token.
    """

    url: str
    wants_token: bool = True

    def __repr__(self) -> str:
        """Show the origin only: the path may be a secret."""
        return f"Archive({origin_of(self.url)!r})"


@dataclass(frozen=True)
class ArchiveRules:
    """Where images may be fetched from: the origins registered for the EHR, its own included."""

    fhir_base: str
    origins: tuple[str, ...]

    def allows(self, address: str) -> bool:
        """Tell whether this address may be asked: registered origin, https outside loopback.

        Anything else found in a resource is refused, with a token or without: a request to it could
        reach into the hospital's network on a stranger's behalf.
        """
        if "?" in address:
            return False
        try:
            return origin(address) in [origin(one) for one in (*self.origins, self.fhir_base)]
        except TransportError:
            return False


@dataclass(frozen=True)
class ArchiveChoice:
    """The archive of a study or of a series; None with the key of `WHY_NOT` that says why."""

    archive: Archive | None
    why_not: str | None


def choose_archive(
    references: Iterable[str],
    contained: Mapping[str, Resource],
    endpoints: Mapping[str, Resource],
    rules: ArchiveRules,
) -> ArchiveChoice:
    """Take the first Endpoint that is in use, speaks WADO-RS and lies at a registered origin.

    Parameters
    ----------
    references : iterable of str
        As they stand in the resource: `#id`, relative, or absolute below the FHIR base.
    contained : mapping
        `#id` to Endpoint, of the resource itself.
    endpoints : mapping
        Endpoint id to resource, as far as the server gave them.
    """
    named = (
        contained.get(one) or endpoints.get(local_id(one, "Endpoint", rules.fhir_base) or "")
        for one in references
    )
    found = [one for one in named if one is not None and one.get("status", "active") in USABLE]
    found.sort(key=lambda one: one.get("status") == "test")
    wado = [one for one in found if _connection(one) == WADO_RS]
    allowed = [one for one in wado if rules.allows(str(one.get("address", "")))]
    if allowed:
        address = str(allowed[0]["address"]).rstrip("/")
        return ArchiveChoice(Archive(address, _wants_token(allowed[0])), None)
    why_not = "endpoint_refused" if wado else "endpoint_kind" if found else "no_endpoint"
    return ArchiveChoice(None, why_not)


def contained_endpoints(resource: Resource) -> dict[str, Resource]:
    """Give the Endpoints inside a resource, by the reference to them."""
    return {
        f"#{entry.get('id')}": entry
        for entry in resource.get("contained", ())
        if entry.get("resourceType") == "Endpoint"
    }


def references_of(holder: Resource) -> tuple[str, ...]:
    """Give the references to Endpoints of a study, or of one of its series."""
    entries = holder.get("endpoint", ())
    return tuple(dict.fromkeys(e["reference"] for e in entries if e.get("reference")))


def endpoint_references(resource: Resource) -> list[str]:
    """Give the references to Endpoints: those of the study first, then those of its series."""
    holders = [resource, *resource.get("series", ())]
    return list(dict.fromkeys(one for holder in holders for one in references_of(holder)))


def _connection(endpoint: Resource) -> str | None:
    code = endpoint.get("connectionType")
    return str(code.get("code")) if isinstance(code, Mapping) else None


def _wants_token(endpoint: Resource) -> bool:
    """Tell whether the user's token belongs there; where nothing is said, it does."""
    flags = [e for e in endpoint.get("extension", ()) if str(e.get("url")).endswith(TOKEN_FLAG)]
    return all(flag.get("valueBoolean") is not False for flag in flags)
