"""Why an EHR does not answer: name, port, certificate, redirect, wrong base told apart."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from plugin.checks import Result
from plugin.checks.discovery import check_discovery
from plugin.checks.reachability import explain
from smart_launch.errors import TransportError
from smart_launch.http import Http, HttpLimits
from tests.plugin.checks.conftest import STATEMENT, Look, bad, json_reply
from tests.plugin.reading.conftest import make_ehr
from tests.plugin.reading.hospital import Hospital, Reply, fhir, outcome

QUICK = HttpLimits(connect_s=1, read_s=1, total_s=3, attempts=1)
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Silent(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def certificate(folder: Path, name: str, until: datetime.datetime) -> Path:
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 10 * DAY)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, SHA256())
    )
    path = folder / f"{name}-{until.year}.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + built.public_bytes(Encoding.PEM))
    return path


@contextmanager
def serving(secured_by: Path | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads = True
    if secured_by is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(secured_by)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    # A client that breaks off its handshake is the point of these tests, not an error.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def trouble(address: str, limits: HttpLimits = QUICK) -> str:
    """Ask as the check does, and give the code of what went wrong."""
    with pytest.raises(TransportError) as caught:
        Http(limits).send("GET", address)
    found = explain(address, caught.value)
    assert found.remedy
    assert "secret" not in found.text + found.remedy
    return found.code


def test_unknown_name_is_told_from_a_closed_port() -> None:
    assert trouble("https://no-such-host.invalid/secret") == "dns"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]
    assert trouble(f"http://127.0.0.1:{closed}/secret") == "connection_refused"


def test_server_that_accepts_and_says_nothing_is_slow() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/secret"
        assert trouble(address, replace(QUICK, read_s=0.2)) == "slow"


def test_plain_http_on_a_tls_port_is_told() -> None:
    with serving() as port:
        assert trouble(f"https://127.0.0.1:{port}/secret") == "not_tls"


def test_self_signed_certificate_is_told(tmp_path: Path) -> None:
    with serving(certificate(tmp_path, "localhost", NOW + DAY)) as port:
        assert trouble(f"https://localhost:{port}/secret") == "tls_self_signed"


@pytest.mark.parametrize(
    ("name", "until", "code"),
    [
        ("localhost", NOW - DAY, "tls_expired"),
        ("other.example", NOW + DAY, "tls_wrong_name"),
    ],
)
def test_trusted_certificate_that_is_old_or_anothers_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    until: datetime.datetime,
    code: str,
) -> None:
    path = certificate(tmp_path, name, until)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with serving(path) as port:
        assert trouble(f"https://localhost:{port}/secret") == code


def test_proxy_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert trouble("https://ehr.example/secret") == "proxy"


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy", "FTP_PROXY"])
def test_hosts_to_reach_without_a_proxy_are_no_proxy(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for other in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.upper(), raising=False)
    monkeypatch.setenv(name, "localhost,127.0.0.1")
    assert trouble("https://no-such-host.invalid/secret") == "dns"


# With an answer


def of_address(hospital: Hospital, **changes: object) -> list[Result]:
    return list(check_discovery(Http(QUICK), make_ehr(hospital, **changes)))


def discovery(hospital: Hospital, answer: Reply) -> dict[str, str]:
    hospital.trick("GET", "smart-configuration$", answer)
    return bad(of_address(hospital))


def test_redirect_names_where_to_without_its_query(hospital: Hospital) -> None:
    there = "https://ehr.hospital.example/fhir/.well-known/smart-configuration?session=1"
    found = discovery(hospital, Reply(302, b"", {"Location": there}))
    assert "https://ehr.hospital.example/fhir" in found["redirected"]
    assert "session" not in found["redirected"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Reply(200, b"<html>portal</html>"), "html_not_json"),
        (Reply(200, b"ok"), "not_json"),
        (Reply(200, b"{}"), "token_endpoint_missing"),
        (Reply(401, b""), "discovery_closed"),
        (json_reply({"token_endpoint": "http://far.example/token"}), "endpoint_refused"),
        (
            json_reply(
                {
                    "token_endpoint": "https://far.example/token",
                    "code_challenge_methods_supported": ["plain"],
                }
            ),
            "pkce_unsupported",
        ),
    ],
)
def test_answers_that_are_no_smart_configuration_are_told_apart(
    hospital: Hospital, answer: Reply, code: str
) -> None:
    assert code in discovery(hospital, answer)


def test_wrong_base_is_told_from_a_server_without_smart(hospital: Hospital) -> None:
    hospital.trick("GET", "/fhir/metadata$", Reply(404), times=1)
    assert "wrong_base" in discovery(hospital, Reply(404))
    hospital.trick("GET", "/fhir/metadata$", fhir(200, STATEMENT))
    assert "discovery_missing" in bad(of_address(hospital))


def test_server_that_writes_its_address_differently_is_a_warning(hospital: Hospital) -> None:
    named = STATEMENT | {"implementation": {"url": hospital.issuer + "/"}}
    hospital.trick("GET", "/fhir/metadata$", fhir(200, named))
    found = bad(of_address(hospital))
    assert f"'{hospital.issuer}/'" in found["issuer_spelling"]


def test_statement_for_token_holders_is_asked_for_with_the_launchs_token(
    furnished: Hospital, look: Look
) -> None:
    def only_with_token(request: object) -> Reply:
        held = getattr(request, "headers", {}).get("authorization")
        return fhir(200, STATEMENT) if held == "Bearer token-0" else outcome(401)

    furnished.trick("GET", "/fhir/metadata$", only_with_token)
    furnished.tricks.insert(0, furnished.tricks.pop())
    codes = {one.code: one.kind for one in look()}
    assert (codes["metadata_closed"], codes["write_mode"]) == ("info", "ok")
    assert "metadata" not in codes


@pytest.mark.parametrize(
    ("off_s", "kind"), [(60.0, "warning"), (-600.0, "failure"), (600.0, "failure"), (0.0, None)]
)
def test_clock_far_from_the_ehrs_is_told(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch, off_s: float, kind: str | None
) -> None:
    # Only the check's own clock: the hospital runs in this process too.
    off = SimpleNamespace(time=lambda: time.time() + off_s)
    monkeypatch.setattr("plugin.checks.discovery.time", off)
    kinds = [one.kind for one in of_address(hospital) if one.code == "ehr_clock"]
    assert kinds == ([kind] if kind else [])
