"""Which addresses may be called (SMART App Launch 2.2.0, "App protection").

Everything sensitive goes over TLS; plain http is for loopback only. An address found in a
resource or a bundle is used only when it lies below the registered FHIR base.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from smart_launch.errors import TransportError

# Browsers, urllib and urllib3 disagree on backslashes, blanks and control characters,
# which is how an address passes a check and then leads elsewhere.
_PLAIN = re.compile(r"[!-\[\]-~]+")
_DEFAULT_PORTS = {"https": 443, "http": 80}


def is_loopback(host: str) -> bool:
    """Say whether a host name can only mean this machine."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_secure(url: str) -> SplitResult:
    """Split an address that may be called, or refuse it.

    Parameters
    ----------
    url : str
        Absolute address.

    Returns
    -------
    urllib.parse.SplitResult
        With scheme https, or http on loopback.

    Raises
    ------
    TransportError
        ``address_refused`` for a relative address, plain http outside loopback, other
        schemes, credentials, fragments, blanks, backslashes and control characters.
    """
    try:
        parts = urlsplit(url) if _PLAIN.fullmatch(url) else None
        port_is_valid = parts is not None and (parts.port is None or parts.port > 0)
    except ValueError:
        parts, port_is_valid = None, False
    if parts is None or not parts.hostname or not port_is_valid:
        raise _refused("an absolute address without blanks, backslashes or control characters")
    if parts.username is not None or parts.password is not None or "#" in url:
        raise _refused("an address without credentials and without a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise _refused("https (plain http only on this machine)")
    return parts


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host in lower case and port of an address that may be called."""
    parts = split_secure(url)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    return parts.scheme, (parts.hostname or "").casefold(), port


def is_below(url: str, base: str) -> bool:
    """Say whether an address is the base itself or lies below its path.

    Dot segments, also encoded ones, are refused: a server would resolve
    ``/fhir/../admin`` to something outside the base.
    """
    try:
        if origin(url) != origin(base):
            return False
    except TransportError:
        return False
    path, base_path = urlsplit(url).path, urlsplit(base).path.rstrip("/")
    decoded = unquote(unquote(path)).replace("\\", "/")
    if any(segment in {".", ".."} for segment in decoded.split("/")):
        return False
    return path == base_path or path.startswith(base_path + "/")


def resolve(base: str, address: str) -> str:
    """Resolve a relative address against the FHIR base, taken as a folder.

    Without the closing slash, RFC 1808 would replace the last part of the base, and
    ``https://ehr/fhir/r4`` + ``token`` would become ``https://ehr/fhir/token``.
    """
    return urljoin(base.rstrip("/") + "/", address)


def _refused(rule: str) -> TransportError:
    return TransportError(
        "address_refused",
        f"An address of the record system cannot be used: expected {rule}.",
    )
