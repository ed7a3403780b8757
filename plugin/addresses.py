"""Rules for the web addresses of the configuration: https outside loopback, origins exact."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from plugin.errors import SettingsError

LAST_PORT = 65535


def is_loopback(host: str) -> bool:
    """Tell whether a host name means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listening_at(name: str, value: str) -> tuple[str, int] | None:
    """Read the address to listen on: `HOST:PORT`, `[IPv6]:PORT`, or `unix:PATH` (gives None).

    Raises
    ------
    SettingsError
        Names the setting.
    """
    if value.startswith("unix:") and value != "unix:":
        return None
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not port.isascii() or not port.isdecimal():
        raise SettingsError(f"{name} must be an address and a port, HOST:PORT; got {value!r}")
    if not 1 <= int(port) <= LAST_PORT:
        raise SettingsError(f"{name} must have a port from 1 to {LAST_PORT}; got {value!r}")
    return host, int(port)


def origin_of(address: str) -> str:
    """Give `scheme://host[:port]` of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def check_web_address(name: str, address: str) -> None:
    """Refuse an address that is not https (http only on loopback) or that carries more than a path.

    Raises
    ------
    SettingsError
        Names the setting.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise SettingsError(f"{name} must be a web address; got {address!r}") from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise SettingsError(f"{name} must be a web address without a user name; got {address!r}")
    if parts.scheme == "http" and not is_loopback(host):
        raise SettingsError(f"{name} must begin with https outside this machine; got {address!r}")
    if parts.query or parts.fragment:
        raise SettingsError(f"{name} must have no query and no fragment; got {address!r}")


def check_origin(name: str, address: str) -> None:
    """Refuse an address that is more than `scheme://host[:port]`.

    A directive such as frame-ancestors is built from it: nothing else may slip in.
    """
    check_web_address(name, address)
    if origin_of(address) != address or any(character in address for character in " ;,'\"*"):
        raise SettingsError(f"{name} must be only scheme, host and port; got {address!r}")
