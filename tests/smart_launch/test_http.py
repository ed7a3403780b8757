from __future__ import annotations

import gzip
import logging
import ssl
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from smart_launch.errors import TransportError
from smart_launch.http import HardenedSession, Http, HttpLimits
from tests.smart_launch.loopback import Loopback, Says, running_server


def cut_short(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"resourceType": "Pat')


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.close()


def fall_silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)  # much longer than the impatient client waits, also on a busy machine


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(12):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def test_a_whole_answer_comes_back_whatever_its_status(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(418, b"teapot", {"X-Kind": "short and stout"}))
    answer = http.send("GET", f"{server.url}/a", parameters=[("name", "a b"), ("name", "c")])
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (
        418,
        b"teapot",
        "short and stout",
    )


@pytest.mark.parametrize(
    ("write", "code"),
    [(cut_short, "cut_short"), (hang_up, "unreachable")],
)
def test_broken_answers_are_tried_three_times_and_then_named(
    http: Http, server: Loopback, write, code: str
) -> None:
    server.says("GET", "/a", Says(write=write))
    with pytest.raises(TransportError) as caught:
        http.send("GET", f"{server.url}/a")
    assert (caught.value.code, caught.value.retryable) == (code, True)
    assert len(server.asked) == 3


def test_a_second_try_succeeds_after_half_an_answer(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(write=cut_short), Says(200, b"{}"))
    assert http.send("GET", f"{server.url}/a").body == b"{}"


@pytest.mark.parametrize("write", [cut_short, hang_up])
def test_a_post_is_never_repeated(http: Http, server: Loopback, write) -> None:
    server.says("POST", "/a", Says(write=write), Says(200, b"{}"))
    with pytest.raises(TransportError):
        http.send("POST", f"{server.url}/a", content={"code": "once"})
    assert len(server.asked) == 1


@pytest.mark.parametrize(("method", "further_tries"), [("GET", 2), ("POST", 0)])
def test_a_silent_server_is_asked_again_with_get_only(
    impatient: Http, server: Loopback, pauses: list[float], method: str, further_tries: int
) -> None:
    server.says(method, "/a", Says(write=fall_silent))
    with pytest.raises(TransportError, match="timed_out") as caught:
        impatient.send(method, f"{server.url}/a")
    assert caught.value.retryable
    # Counted here: a busy server thread may not have written down the last question yet.
    assert len(pauses) == further_tries


def test_a_post_is_not_repeated_on_503_either(http: Http, server: Loopback) -> None:
    server.says("POST", "/a", Says(503, headers={"Retry-After": "0"}), Says(200))
    assert http.send("POST", f"{server.url}/a").status == 503


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_busy_servers_are_asked_again_with_growing_pauses(
    http: Http, server: Loopback, pauses: list[float], status: int
) -> None:
    server.says("GET", "/a", Says(status), Says(status), Says(200, b"ok"))
    assert http.send("GET", f"{server.url}/a").body == b"ok"
    assert pauses == [0.001, 0.002]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 500])
def test_other_statuses_are_not_asked_again(http: Http, server: Loopback, status: int) -> None:
    server.says("GET", "/a", Says(status), Says(200))
    assert http.send("GET", f"{server.url}/a").status == status


def test_retries_are_bounded(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(503))
    assert http.send("GET", f"{server.url}/a").status == 503
    assert len(server.asked) == 3


def test_retry_after_is_honoured_in_seconds(
    http: Http, server: Loopback, pauses: list[float]
) -> None:
    server.says("GET", "/a", Says(503, headers={"Retry-After": "3"}), Says(200))
    assert http.send("GET", f"{server.url}/a").status == 200
    assert pauses == [3.0]


def test_retry_after_is_honoured_as_a_date(
    http: Http, server: Loopback, pauses: list[float]
) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=3)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    server.says("GET", "/a", Says(429, headers={"Retry-After": soon}), Says(200))
    assert http.send("GET", f"{server.url}/a").status == 200
    assert 1 < pauses[0] <= 3


@pytest.mark.parametrize("seconds", ["6", "3600"])
def test_a_long_retry_after_is_handed_back_at_once(
    http: Http, server: Loopback, pauses: list[float], seconds: str
) -> None:
    server.says("GET", "/a", Says(503, headers={"Retry-After": seconds}), Says(200))
    answer = http.send("GET", f"{server.url}/a")
    assert (answer.status, answer.retry_after_s, pauses) == (503, float(seconds), [])


@pytest.mark.parametrize("value", ["soon", "-5", "", "1e9", "9" * 400])
def test_an_unreadable_retry_after_does_no_harm(http: Http, server: Loopback, value: str) -> None:
    server.says("GET", "/a", Says(503, headers={"Retry-After": value}), Says(200))
    assert http.send("GET", f"{server.url}/a").status in (200, 503)


def test_the_whole_request_has_a_deadline(server: Loopback) -> None:
    http = Http(HttpLimits(total_s=0.2, attempts=1))
    server.says("GET", "/a", Says(write=drip))
    with pytest.raises(TransportError, match="timed_out"):
        http.send("GET", f"{server.url}/a")
    http.close()


def test_no_further_try_begins_after_the_deadline(server: Loopback) -> None:
    http = Http(HttpLimits(total_s=1.0, retry_after_s=60.0), sleep=lambda _: None)
    server.says("GET", "/a", Says(503, headers={"Retry-After": "30"}))
    assert http.send("GET", f"{server.url}/a").status == 503
    assert len(server.asked) == 1
    http.close()


def test_an_answer_that_is_too_large_is_refused(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(200, b"x" * 200_001))
    with pytest.raises(TransportError, match="too_large"):
        http.send("GET", f"{server.url}/a")
    assert len(server.asked) == 1


def test_an_answer_of_exactly_the_limit_is_read(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(200, b"x" * 200_000))
    assert len(http.send("GET", f"{server.url}/a").body) == 200_000


def test_a_small_file_that_unpacks_large_is_refused(http: Http, server: Loopback) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 200_000
    server.says("GET", "/a", Says(200, bomb, {"Content-Encoding": "gzip"}))
    with pytest.raises(TransportError, match="too_large"):
        http.send("GET", f"{server.url}/a")


def test_broken_compression_is_half_an_answer(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(200, b"not gzip at all", {"Content-Encoding": "gzip"}))
    with pytest.raises(TransportError, match="cut_short"):
        http.send("GET", f"{server.url}/a")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_redirects_are_not_followed_anywhere(
    http: Http, server: Loopback, elsewhere: Loopback, method: str, status: int
) -> None:
    server.says(method, "/a", Says(status, headers={"Location": f"{elsewhere.url}/stolen"}))
    with pytest.raises(TransportError, match="redirected"):
        http.send(method, f"{server.url}/a", headers={"Authorization": "Bearer secret"})
    assert len(server.asked) == 1


def test_redirects_to_the_same_server_are_not_followed_either(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(302, headers={"Location": "/b"}))
    with pytest.raises(TransportError, match="redirected"):
        http.send("GET", f"{server.url}/a")
    assert server.asked_at("/b") == []


def test_the_session_for_other_libraries_follows_no_redirects(
    server: Loopback, elsewhere: Loopback
) -> None:
    server.says("GET", "/a", Says(302, headers={"Location": f"{elsewhere.url}/stolen"}))
    with HardenedSession(HttpLimits()) as session:
        assert session.get(f"{server.url}/a", allow_redirects=True).status_code == 302


def test_the_session_for_other_libraries_times_out_unasked(server: Loopback) -> None:
    server.says("GET", "/a", Says(write=fall_silent))
    with HardenedSession(HttpLimits(read_s=0.1)) as session, pytest.raises(OSError, match="timed"):
        session.get(f"{server.url}/a")


def test_cookies_of_one_user_never_travel_with_another(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(200, headers={"Set-Cookie": "session=doctor-1; Path=/"}))
    http.send("GET", f"{server.url}/a")
    http.send("GET", f"{server.url}/a")
    assert "Cookie" not in server.asked[1].headers


def test_a_cookie_that_a_library_sets_is_not_sent_either(server: Loopback) -> None:
    server.says("GET", "/a", Says(200))
    with HardenedSession(HttpLimits()) as session:
        session.cookies.set("session", "doctor-1")
        session.get(f"{server.url}/a")
    assert "Cookie" not in server.asked[0].headers


def test_a_netrc_file_does_not_replace_the_bearer_token(
    http: Http, server: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.says("GET", "/a", Says(200))
    http.send("GET", f"{server.url}/a", headers={"Authorization": "Bearer token"})
    assert server.asked[0].headers["Authorization"] == "Bearer token"


def test_loopback_is_reached_without_the_proxy(
    http: Http, server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    server.says("GET", "/a", Says(200))
    assert http.send("GET", f"{server.url}/a").status == 200


@pytest.mark.parametrize(
    "url", ["http://ehr.example/fhir", "ftp://127.0.0.1/a", "/a", "https://u:p@ehr.example/"]
)
def test_addresses_that_may_not_be_called_are_refused_unsent(http: Http, url: str) -> None:
    with pytest.raises(TransportError, match="address_refused"):
        http.send("GET", url)


def test_a_port_where_nobody_listens_is_unreachable(http: Http) -> None:
    with pytest.raises(TransportError, match="unreachable"):
        http.send("GET", "http://127.0.0.1:1/a")


def test_an_unknown_certificate_is_refused(http: Http, tmp_path: Path) -> None:
    with running_server(https_context=_self_signed(tmp_path)) as server:
        server.says("GET", "/a", Says(200))
        with pytest.raises(TransportError, match="tls_failed") as caught:
            http.send("GET", f"{server.url}/a", headers={"Authorization": "Bearer secret"})
        assert server.asked == []
    assert not caught.value.retryable


def test_failures_quote_neither_the_address_nor_its_parameters(
    http: Http, server: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    server.says("GET", "/Patient/pat-77", Says(write=hang_up))
    with caplog.at_level(logging.INFO), pytest.raises(TransportError) as caught:
        http.send("GET", f"{server.url}/Patient/pat-77", parameters=[("name", "Clark")])
    error: BaseException | None = caught.value
    assert error is not None
    assert error.__cause__ is None
    shown = f"{error} {error!r} {caplog.text}"
    assert "pat-77" not in shown
    assert "Clark" not in shown


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<!DOCTYPE html><p>Sign in", "html_not_json"),
        (b"  <html>", "html_not_json"),
        (b"", "not_json"),
        (b"[]", "not_json"),
        (b'{"a": NaN}', "not_json"),
        (b'{"a": ' + b"[" * 50_000, "not_json"),
        (b"\xff\xfe", "not_json"),
        (b'"text"', "not_json"),
    ],
)
def test_what_is_no_json_object_is_named(
    http: Http, server: Loopback, body: bytes, code: str
) -> None:
    server.says("GET", "/a", Says(200, body))
    with pytest.raises(TransportError, match=code):
        http.send("GET", f"{server.url}/a").json_object()


def test_json_with_a_byte_order_mark_is_read(http: Http, server: Loopback) -> None:
    server.says("GET", "/a", Says(200, b'\xef\xbb\xbf{"a": 1}'))
    assert http.send("GET", f"{server.url}/a").json_object() == {"a": 1}


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "both.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context
