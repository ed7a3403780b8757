"""Registered clients (SMART App Launch 2.2, "Registering a client").

Registration is out of band: a JSON file lists the clients that the hospital knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from sandbox.errors import RegistrationError

ClientType = Literal["public", "secret", "private_key"]
GrantType = Literal["authorization_code", "refresh_token", "client_credentials"]
INTERACTIVE: tuple[GrantType, ...] = ("authorization_code", "refresh_token")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Client:
    """One registered client.

    Attributes
    ----------
    client_id, name : str
        Identifier and the name shown to people.
    type : {"public", "secret", "private_key"}
        How it authenticates at the token endpoint.
    redirect_uris : tuple of str
        Compared character by character; none where nobody signs in.
    launch_url : str
        Where the viewer opens the client with ``iss`` and ``launch``.
    post_launch : bool
        The client takes the launch by POST (SMART capability ``launch-ehr`` with a form).
    scopes : str
        The most that it may be granted, in v1 or v2 syntax.
    secret, jwks_url, jwks
        What its type needs.
    grant_types : tuple of str
        ``client_credentials`` makes it a backend service (SMART 2.2, "Backend Services").
    cds_services_url : str or None
        Its CDS Hooks service root, ``https://.../cds-services``, which charts ask for cards.
    """

    client_id: str
    name: str
    type: ClientType
    redirect_uris: tuple[str, ...] = ()
    launch_url: str = ""
    scopes: str = ""
    post_launch: bool = False
    secret: str | None = None
    jwks_url: str | None = None
    jwks: Mapping[str, Any] | None = None
    grant_types: tuple[str, ...] = INTERACTIVE
    cds_services_url: str | None = None

    @property
    def interactive(self) -> bool:
        """Whether people open it: it can be launched."""
        return "authorization_code" in self.grant_types

    def __post_init__(self) -> None:
        if self.type not in get_args(ClientType):
            raise RegistrationError("type must be public, secret or private_key")
        if not self.client_id or not self.scopes:
            raise RegistrationError("a client needs a client_id and scopes")
        self._check_grants()
        if self.type == "secret" and not self.secret:
            raise RegistrationError("a client of type secret needs its secret")
        if self.type == "private_key" and bool(self.jwks_url) == bool(self.jwks):
            raise RegistrationError("a client of type private_key needs either jwks_url or jwks")
        for address in (*self.redirect_uris, self.jwks_url, self.cds_services_url):
            if address is not None:
                _check_address(address)

    def _check_grants(self) -> None:
        if not self.grant_types or not {*self.grant_types} <= {*get_args(GrantType)}:
            known = ", ".join(get_args(GrantType))
            raise RegistrationError(f"grant_types must be some of {known}")
        if self.interactive and not (self.redirect_uris and self.launch_url):
            raise RegistrationError("a client that people open needs redirect URI and launch URL")
        # SMART 2.2, "Backend Services": the client authenticates with a key, never otherwise.
        if "client_credentials" in self.grant_types and self.type != "private_key":
            raise RegistrationError("client_credentials is for clients of type private_key")


def _check_address(address: str) -> None:
    """RFC 9700 2.1 and 2.6: absolute, no fragment, https except on loopback."""
    parts = urlsplit(address)
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not (loopback or (parts.scheme == "https" and parts.hostname)) or parts.fragment:
        raise RegistrationError(
            "registered addresses must be absolute https (http on loopback), without fragment"
        )


def read_client(entry: Mapping[str, Any]) -> Client:
    """Turn one entry of ``clients.json`` into a :class:`Client`.

    Raises
    ------
    RegistrationError
        A key is missing, unknown or of the wrong kind.
    """
    try:
        known = dict(entry)
        for name in ("redirect_uris", "grant_types"):
            if name in known:
                known[name] = _texts(name, known[name])
        known.setdefault("name", known["client_id"])
        return Client(**known)
    except (KeyError, TypeError) as error:
        raise RegistrationError(f"a client entry is wrong: {error}") from error


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RegistrationError(f"{name} must be a list of texts")
    return tuple(value)


def read_clients(path: Path) -> tuple[Client, ...]:
    """Read ``clients.json``: a list of client entries.

    Raises
    ------
    RegistrationError
        The file is no list of client entries, or names a client twice.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RegistrationError("the clients file must be readable JSON") from error
    if not isinstance(entries, list):
        raise RegistrationError("the clients file must hold a list")
    clients = tuple(read_client(entry) for entry in entries)
    if len({client.client_id for client in clients}) != len(clients):
        raise RegistrationError("client ids must differ")
    return clients
