"""Rules for the web addresses of the configuration: https outside loopback, origins exact."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from plugin.errors import SettingsError


def is_loopback(host: str) -> bool:
    """Tell whether a host name means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
