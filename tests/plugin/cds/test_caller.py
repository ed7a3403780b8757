"""Who calls is proved before anything of the call is read."""

from __future__ import annotations

import base64
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from joserfc.jwk import ECKey

from plugin.cds.service import DISCOVERY_PATH, SERVICE_PATH
from tests.plugin.cds.conftest import ADDRESS, BASE_URL, Send, cards_of, code_of
from tests.plugin.cds.ehr import EC, RSA, STRANGER, CallingEhr


@pytest.mark.parametrize("key", [EC, RSA], ids=["ES384", "RS384"])
def test_call_signed_with_a_published_key_is_answered(
    send: Send, ehr: CallingEhr, key: Any
) -> None:
    assert cards_of(send(token=ehr.token(ADDRESS, key=key, tenant="t-1"))) == []
    assert cards_of(send(token=ehr.token(ADDRESS, key=key, header={"jku": ehr.jwks_url}))) == []
    assert cards_of(send(token=ehr.token([ADDRESS], key=key))) == []
    assert cards_of(send(token=ehr.token(ADDRESS, key=key, **from_now(iat=0, exp=900)))) == []
    assert ehr.asked("/cds-keys") == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://nobody.example"}, "issuer_unknown"),
        ({"iss": "http://127.0.0.1:9/fhir"}, "issuer_unknown"),
        ({"iss": None}, "jwt_unreadable"),
        ({"aud": None}, "audience_foreign"),
        ({"aud": BASE_URL}, "audience_foreign"),
        ({"aud": BASE_URL + DISCOVERY_PATH}, "audience_foreign"),
        ({"aud": ADDRESS + "/"}, "audience_foreign"),
        ({"aud": [ADDRESS, "https://elsewhere.example"]}, "audience_foreign"),
        ({"jti": None}, "jti_missing"),
        ({"jti": ""}, "jti_missing"),
        ({"jti": 7}, "jti_missing"),
        ({"exp": None}, "jwt_unreadable"),
        ({"iat": None}, "jwt_unreadable"),
        ({"exp": "soon"}, "jwt_unreadable"),
        ({"exp": True}, "jwt_unreadable"),
        ({"exp": 10**400}, "jwt_unreadable"),
    ],
)
def test_token_with_a_wrong_claim_is_refused(
    send: Send, ehr: CallingEhr, changes: dict[str, Any], code: str
) -> None:
    answer = send(token=ehr.token(ADDRESS, **changes))
    assert answer.status_code == 401
    assert code_of(answer) == code
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        ({"iat": -400, "exp": -200}, "jwt_expired"),
        ({"iat": 200, "exp": 400}, "jwt_from_future"),
        ({"nbf": 200}, "jwt_from_future"),
        ({"iat": 0, "exp": 901}, "jwt_lives_too_long"),
    ],
)
def test_token_of_another_time_is_refused(
    send: Send, ehr: CallingEhr, seconds: dict[str, int], code: str
) -> None:
    answer = send(token=ehr.token(ADDRESS, **from_now(**seconds)))
    assert (answer.status_code, code_of(answer)) == (401, code)


def from_now(**seconds: int) -> dict[str, int]:
    """Give times so many seconds from now."""
    now = int(time.time())
    return {claim: now + after for claim, after in seconds.items()}


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"kid": None}, "key_id_missing"),
        ({"kid": "ec-2"}, "key_unknown"),
        ({"kid": "rsa-1"}, "signature_invalid"),
        ({"typ": "at+jwt"}, "jwt_unreadable"),
        ({"jku": "https://attacker.example/keys"}, "jku_foreign"),
        ({"alg": "ES256"}, "algorithm_refused"),
    ],
)
def test_token_with_a_wrong_header_is_refused(
    send: Send, ehr: CallingEhr, header: dict[str, Any], code: str
) -> None:
    weaker = ECKey.generate_key("P-256", {"kid": "ec-1"})
    key = weaker if header.get("alg") == "ES256" else EC
    answer = send(token=ehr.token(ADDRESS, key=key, header=header))
    assert (answer.status_code, code_of(answer)) == (401, code)


def test_unlisted_key_address_is_never_asked(send: Send, ehr: CallingEhr) -> None:
    beside = {"jku": f"{ehr.base}/fhir/keys"}
    assert code_of(send(token=ehr.token(ADDRESS, header=beside))) == "jku_foreign"
    assert ehr.requests == []


def test_token_of_an_unregistered_issuer_makes_no_request(send: Send, ehr: CallingEhr) -> None:
    send(token=ehr.token(ADDRESS, iss="https://nobody.example"))
    assert ehr.requests == []


def test_token_signed_with_another_key_of_the_same_name_is_refused(
    send: Send, ehr: CallingEhr
) -> None:
    assert code_of(send(token=ehr.token(ADDRESS, key=STRANGER))) == "signature_invalid"


def test_unsigned_and_symmetric_tokens_are_refused(send: Send, ehr: CallingEhr) -> None:
    claims = json.loads(_decoded(ehr.token(ADDRESS).split(".")[1]))
    unsigned = f"{_encoded({'alg': 'none', 'kid': 'ec-1'})}.{_encoded(claims)}."
    assert code_of(send(token=unsigned)) == "algorithm_refused"
    # The classic confusion: the published key, taken as a shared secret.
    signed = f"{_encoded({'alg': 'HS256', 'kid': 'ec-1'})}.{_encoded(claims)}"
    mark = hmac.digest(EC.as_pem(private=False), signed.encode(), "sha256")
    assert code_of(send(token=f"{signed}.{_packed(mark)}")) == "algorithm_refused"


def test_changed_claims_are_refused(send: Send, ehr: CallingEhr) -> None:
    head, body, signature = ehr.token(ADDRESS).split(".")
    claims = json.loads(_decoded(body)) | {"jti": "another"}
    assert code_of(send(token=f"{head}.{_encoded(claims)}.{signature}")) == "signature_invalid"


def test_token_is_accepted_once(send: Send, ehr: CallingEhr) -> None:
    token = ehr.token(ADDRESS)
    assert send(token=token).status_code == 200
    again = send(token=token)
    assert (again.status_code, code_of(again)) == (401, "jwt_replayed")
    # Another token under the used name is a replay as well.
    claims = json.loads(_decoded(token.split(".")[1]))
    assert code_of(send(token=ehr.token(ADDRESS, jti=claims["jti"]))) == "jwt_replayed"


def test_token_of_a_refused_call_cannot_be_used_again(send: Send, ehr: CallingEhr) -> None:
    token = ehr.token(ADDRESS)
    assert send(ehr.call(hook="order-sign"), token=token).status_code == 400
    assert code_of(send(token=token)) == "jwt_replayed"


def test_of_equal_calls_at_the_same_moment_one_is_answered(send: Send, ehr: CallingEhr) -> None:
    send()  # the keys are there
    token = ehr.token(ADDRESS)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: send(token=token).status_code, range(6)))
    assert sorted(answers) == [200, 401, 401, 401, 401, 401]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c"])
def test_call_without_a_token_is_refused(client: FlaskClient, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = client.post(SERVICE_PATH, json={}, headers=headers)
    assert answer.status_code == 401
    assert code_of(answer) in ("jwt_missing", "jwt_unreadable")


def _encoded(value: Any) -> str:
    return _packed(json.dumps(value).encode())


def _packed(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
