"""TLS 1.2 or newer, to a server whose certificate is known: docs/smart-conformance.md."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smart_launch.errors import TransportError
from smart_launch.http import Http
from tests.smart_launch.loopback import Loopback, Says, running_server

# OpenSSL speaks the old versions only below its default level of security.
OLD = "ALL:@SECLEVEL=0"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(addresses, critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "both.pem"
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    chosen: ssl.TLSVersion = request.param
    return chosen


@pytest.fixture
def secure(
    certificate: Path, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Loopback]:
    """A server of one version of TLS alone, whose certificate this process trusts."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_ciphers(OLD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    with running_server(https_context=context) as server:
        server.says("POST", "/token", Says(200, {}))
        yield server


def connects_an_old_client(url: str) -> str | None:
    """Connect with everything allowed; give the version that came about."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(OLD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    place = ("127.0.0.1", urlsplit(url).port or 443)
    with closing(context.wrap_socket(socket.create_connection(place, timeout=5))) as connection:
        return connection.version()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1], indirect=True)
def test_a_server_that_offers_only_tls_1_1_is_refused(http: Http, secure: Loopback) -> None:
    # The server itself works: a client that accepts everything gets through.
    assert connects_an_old_client(secure.url) == "TLSv1.1"
    with pytest.raises(TransportError, match="tls_failed"):
        http.send("POST", f"{secure.url}/token", content={"code": "secret"})
    assert secure.asked == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], indirect=True)
def test_a_server_whose_certificate_is_known_is_served_over_tls_1_2(
    http: Http, secure: Loopback
) -> None:
    assert http.send("POST", f"{secure.url}/token", content={"code": "secret"}).status == 200
    assert secure.asked[0].form == {"code": "secret"}


@pytest.mark.parametrize("trusted", [True, False], ids=["others are trusted", "nothing is said"])
def test_a_server_whose_certificate_is_unknown_is_refused_whatever_the_environment_trusts(
    http: Http, secure: Loopback, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    # The bundle of the environment wins over the session's own choice, so both are tried.
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    else:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(TransportError, match="tls_failed"):
        http.send("POST", f"{secure.url}/token", content={"code": "secret"})
    assert secure.asked == []
