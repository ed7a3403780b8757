"""Why an address does not answer: name, connection, certificate and redirect told apart.

Only for the administrator's command, and only for addresses of the configuration or of a
registered EHR's own documents.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from plugin.addresses import origin_of
from smart_launch.errors import SmartError
from smart_launch.http import HardenedSession, HttpLimits

PROBE_SECONDS = 5.0
# Codes of `smart_launch.http` for requests that brought nothing back.
NO_ANSWER = ("redirected", "timed_out", "unreachable", "tls_failed", "cut_short")
# Results of OpenSSL's certificate verification (openssl-verification-options, "Diagnostics").
CERTIFICATES = {
    9: ("tls_not_yet_valid", "its certificate is not valid yet"),
    10: ("tls_expired", "its certificate has expired"),
    18: ("tls_self_signed", "its certificate is signed by itself"),
    19: ("tls_unknown_issuer", "its certificate comes from an authority not trusted here"),
    20: ("tls_unknown_issuer", "its certificate comes from an authority not trusted here"),
    21: ("tls_unknown_issuer", "its certificate comes without the authority's own"),
    62: ("tls_wrong_name", "its certificate is made out to another name"),
    64: ("tls_wrong_name", "its certificate is made out to another address"),
}
TRUST = (
    "Let the server send its whole chain; for a hospital's own authority set REQUESTS_CA_BUNDLE "
    "to a file with its certificate."
)
REMEDIES = {
    "dns": "Correct the host name, or let this machine's name server know it.",
    "connection_refused": "Check the port, that the server runs, and the firewall between.",
    "no_answer": "Check the firewall between this machine and the server.",
    "not_tls": "The server speaks plain http on this port: give the port that speaks https.",
    "tls_not_yet_valid": "Compare the clocks of both machines; else install a valid certificate.",
    "tls_expired": "Have the server's certificate renewed, and check this machine's clock.",
    "tls_self_signed": TRUST,
    "tls_unknown_issuer": TRUST,
    "tls_wrong_name": "Use the name in the certificate, or have one made for this name.",
    "tls_failed": "Have the server offer TLS 1.2 or newer and a valid certificate.",
    "proxy": "Check the proxy (HTTPS_PROXY), or list this host in NO_PROXY.",
    "redirected": "Register the address that it sends to: Wetread follows no redirects.",
    "slow": "Try again; raise http_timeout_s if this server is always slow.",
}


@dataclass(frozen=True)
class Trouble:
    """Why nothing came back; `text` begins in lower case and names no path."""

    code: str
    text: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return REMEDIES.get(self.code, "Check the network and that the server is running.")


def explain(address: str, error: SmartError, *, secret: bool = False) -> Trouble:
    """Find out why a request to an address failed.

    Parameters
    ----------
    error : SmartError
        What the request ended with.
    secret : bool
        The address gives access by itself, as an Endpoint's may: nothing of a path is said.
    """
    if error.code == "redirected":
        elsewhere = Trouble("redirected", "it redirects to another address")
        return elsewhere if secret else redirected(address)
    if error.code not in NO_ANSWER:
        return Trouble(error.code, error.sentence[:1].lower() + error.sentence[1:])
    if requests.utils.select_proxy(address, requests.utils.get_environ_proxies(address)):
        return Trouble("proxy", "it cannot be reached through the proxy of the environment")
    return probe(address) or Trouble("slow", "it accepts connections and does not answer in time")


def probe(address: str) -> Trouble | None:
    """Look up the name, connect, and check the certificate; None if all of it works."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return Trouble("dns", f"the name {host} is not known here")
    try:
        with socket.create_connection((host, port), PROBE_SECONDS) as connection:
            return check_certificate(connection, host) if parts.scheme == "https" else None
    except TimeoutError:
        return Trouble("no_answer", f"{host} does not answer on port {port}")
    except OSError:
        return Trouble("connection_refused", f"{host} refuses connections on port {port}")


def check_certificate(connection: socket.socket, host: str) -> Trouble | None:
    """Shake hands over TLS as `smart_launch.http` does."""
    context = ssl.create_default_context(cafile=trusted())
    try:
        context.wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLCertVerificationError as error:
        unknown = ("tls_failed", "its certificate could not be verified")
        return Trouble(*CERTIFICATES.get(error.verify_code, unknown))
    except ssl.SSLError as error:
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return Trouble("not_tls", "it answers, but not with TLS")
        return Trouble("tls_failed", f"the TLS handshake fails ({error.reason})")
    return None


def trusted() -> str:
    """Give the file of trusted authorities that requests are sent with."""
    session = requests.Session()
    chosen = session.merge_environment_settings("https://x.invalid", {}, None, None, None)["verify"]
    return chosen if isinstance(chosen, str) else DEFAULT_CA_BUNDLE_PATH


def redirected(address: str) -> Trouble:
    """Say where a server wants to send its callers."""
    with HardenedSession(HttpLimits(read_s=PROBE_SECONDS)) as session:
        try:
            target = session.get(address, stream=True).headers.get("Location", "")
        except requests.RequestException:
            target = ""
    place = requests.compat.urljoin(address, target)
    # Without its query it is what has to be registered.
    named = f"{origin_of(place)}{urlsplit(place).path}" if target else "another address"
    return Trouble("redirected", f"it redirects to {named}")
