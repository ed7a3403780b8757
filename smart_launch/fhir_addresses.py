"""FHIR R4 references (references.html#literal) and addresses below one server's base."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from smart_launch.addresses import is_below, resolve
from smart_launch.errors import FhirError

_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_LOCATION = re.compile(
    r"(?:^|/)(?P<type>[A-Z][A-Za-z]{0,63})/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?$"
)


def resource_path(resource_type: str, resource_id: str) -> str:
    """``Type/id`` of checked parts.

    Raises
    ------
    FhirError
        ``reference_invalid``: an id such as ``../x`` or ``1?_format=xml`` must not reach a path.
    """
    require_type(resource_type)
    if not _ID.fullmatch(resource_id) or resource_id in (".", ".."):
        raise _invalid()
    return f"{resource_type}/{resource_id}"


def require_type(resource_type: str) -> None:
    """Refuse what cannot be a resource type.

    Raises
    ------
    FhirError
        ``reference_invalid``.
    """
    if not _TYPE.fullmatch(resource_type):
        raise _invalid()


def split_reference(reference: str, base_url: str) -> tuple[str, str]:
    """Type and id of a literal reference to this server.

    Parameters
    ----------
    reference : str
        ``Type/id``, also with a version; or absolute below `base_url`.
    base_url : str
        Of the server whose token is at hand.

    Raises
    ------
    FhirError
        ``foreign_reference`` for another server's (SMART App Launch 2.2.0, response-6: the
        token must not go there); ``reference_invalid`` for contained, logical and broken ones.
    """
    relative = reference
    if re.match(r"[A-Za-z][A-Za-z0-9+.\-]*:|//", reference):
        if not is_below(reference, base_url):
            raise FhirError(
                "foreign_reference",
                "An entry refers to another server, which this app does not contact.",
            )
        base_path = urlsplit(base_url).path.rstrip("/")
        relative = "" if "?" in reference else urlsplit(reference).path[len(base_path) + 1 :]
    match = _LOCATION.fullmatch(relative)
    if match is None or relative.startswith("/"):
        raise _invalid()
    resource_path(match["type"], match["id"])
    return match["type"], match["id"]


def split_location(location: str | None) -> tuple[str | None, str | None]:
    """Id and version at the end of a Location header.

    Only its tail is read and it is never called: servers behind a proxy put in a host name
    that cannot be reached from outside.
    """
    match = _LOCATION.search(location or "")
    return (None, None) if match is None else (match["id"], match["version"])


def next_address(link: str, base_url: str) -> str:
    """Address of the next page, which must be at the same origin and below the same base.

    Raises
    ------
    FhirError
        ``foreign_page``.
    """
    address = resolve(base_url, link)
    if not is_below(address, base_url):
        raise FhirError(
            "foreign_page",
            "The record system continues its list at another address, which is not followed.",
        )
    return address


def _invalid() -> FhirError:
    return FhirError("reference_invalid", "An entry contains a reference that cannot be followed.")
