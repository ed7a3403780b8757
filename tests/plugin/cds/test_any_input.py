"""Whatever arrives, the service answers with cards or with a refusal in its own words."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws

from plugin.cds.service import SERVICE_PATH
from sandbox.cds.cards import read_cards
from sandbox.clients import Client
from tests.plugin.cds.conftest import ADDRESS, BASE_URL, Send
from tests.plugin.cds.ehr import EC, CallingEhr, ai_report, prefetch, report, study

FEW = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

WETREAD = Client(
    client_id="wetread",
    name="Wetread",
    type="public",
    redirect_uris=(f"{BASE_URL}/callback/north",),
    launch_url=f"{BASE_URL}/launch",
    scopes="launch",
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    if not isinstance(node, dict | list):
        return [path]
    steps = node.items() if isinstance(node, dict) else enumerate(node)
    return [path, *(p for step, inner in steps for p in places(inner, (*path, step)))]


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at one place."""
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = replaced(node[path[0]], path[1:], value)
    return copy


def check(answer: Any) -> None:
    """Cards that a strict EHR takes, or a refusal with its reason."""
    if answer.status_code == 200:
        read_cards(answer.get_json(), [WETREAD])
    else:
        assert answer.status_code in (400, 401, 412, 413)
        assert answer.get_json()["problem"]["code"]


@FEW
@given(value=anything, data=st.data())
def test_call_with_anything_in_one_place_is_answered_or_refused(
    send: Send, ehr: CallingEhr, value: Any, data: st.DataObject
) -> None:
    chart = prefetch([study(basedOn=[{"reference": "ServiceRequest/1"}])], [ai_report(), report(2)])
    call = ehr.call(prefetch=chart, fhirAuthorization=ehr.authorization())
    place = data.draw(st.sampled_from(places(call)))
    check(send(json.loads(json.dumps(replaced(call, place, value), default=str))))


@FEW
@given(body=st.binary(max_size=200))
def test_any_bytes_are_refused(client: FlaskClient, ehr: CallingEhr, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {ehr.token(ADDRESS)}"}
    answer = client.post(SERVICE_PATH, data=body, headers=headers, content_type="application/json")
    assert answer.status_code == 400


@FEW
@given(text=st.text(st.characters(codec="latin-1", exclude_characters="\r\n\x00"), max_size=80))
def test_any_authorization_is_refused(client: FlaskClient, text: str) -> None:
    answer = client.post(SERVICE_PATH, json={}, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401


@FEW
@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "jku", "crit", "b64", "jwk", "x5c", "zip", "enc"]),
        anything,
        max_size=3,
    ),
    claims=st.dictionaries(
        st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "jti"]), anything, min_size=1
    ),
)
def test_signed_token_with_anything_in_it_is_refused(
    send: Send, ehr: CallingEhr, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    right = json.loads(jws.extract_compact(ehr.token(ADDRESS).encode()).payload)
    payload = json.dumps(right | claims | {"jti": secrets.token_hex(4)}).encode()
    head = {"alg": "ES384", "kid": "ec-1"} | header
    segments = [_part(json.dumps(head).encode()), _part(payload)]
    signature = signed_by_hand(b".".join(segments))
    answer = send(token=b".".join([*segments, _part(signature)]).decode())
    assert answer.status_code in (200, 401)
    if answer.status_code == 200:
        # Only what is ignored may differ from a right token.
        assert not set(claims) - {"nbf", "jti"}
        assert not {"alg", "kid", "crit"} & set(header)


@pytest.mark.parametrize("entries", [None, 7, [None], ["x"], [{}], [{"resource": None}]])
def test_list_with_odd_entries_is_not_taken_for_whole(
    send: Send, ehr: CallingEhr, entries: Any
) -> None:
    for key in ("studies", "reports"):
        odd = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
        assert send(ehr.call(prefetch=prefetch() | {key: odd})).status_code == 412


def _part(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def signed_by_hand(signed: bytes) -> bytes:
    """Sign by hand what joserfc would refuse to encode."""
    found = EC.get_op_key("sign").sign(signed, ec.ECDSA(hashes.SHA384()))
    r, s = utils.decode_dss_signature(found)
    return r.to_bytes(48, "big") + s.to_bytes(48, "big")
