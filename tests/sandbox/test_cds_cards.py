"""Cards are read strictly and shown as text (CDS Hooks 2.0, "Card Attributes")."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cds.cards import read_cards
from sandbox.cds.services import read_services
from sandbox.clients import Client
from sandbox.errors import CdsProblem
from sandbox.viewer.cards import markdown
from tests.sandbox.cds_service import card, service
from tests.sandbox.conftest import BACKEND_SCOPES, JWKS
from tests.sandbox.patience import unhurried
from tests.sandbox.smart_client import CALLBACK

LAUNCH = "https://app.example/launch"
CLIENTS = (
    Client("app", "App", "public", (CALLBACK,), LAUNCH, "launch"),
    Client(
        "backend",
        "Backend",
        "private_key",
        scopes=BACKEND_SCOPES,
        jwks=JWKS,
        grant_types=("client_credentials",),
    ),
)


def smart(**changes: Any) -> dict[str, Any]:
    right = {"label": "Open", "url": LAUNCH, "type": "smart", "appContext": '{"study": "x"}'}
    return {k: v for k, v in {**right, **changes}.items() if v is not None}


def absolute(url: str, **more: Any) -> dict[str, Any]:
    return {"label": "Read", "url": url, "type": "absolute", **more}


def test_smart_link_launches_the_registered_client_with_its_context() -> None:
    (found,) = read_cards({"cards": [card(links=[smart()])]}, CLIENTS)
    (link,) = found.links
    assert (link.client_id, link.app_context, link.url) == ("app", '{"study": "x"}', "")


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        card(summary=None),
        card(summary=""),
        card(summary="x" * 140),
        card(indicator=None),
        card(indicator="hard-stop"),
        card(source=None),
        card(source={}),
        card(source={"label": "x", "url": "javascript:alert(1)"}),
        card(detail=7),
        card(detail="x" * 5000),
        card(uuid=7),
        card(links="x"),
        card(links=[None]),
        card(links=[smart(label=None)]),
        card(links=[smart(type="button")]),
        card(links=[smart(url=f"{LAUNCH}?x=1")]),
        card(links=[smart(url="https://other.example/launch")]),
        card(links=[smart(url="")]),
        card(links=[smart(appContext={"study": "x"})]),
        card(links=[smart(appContext="x" * 5000)]),
        card(links=[absolute("https://app.example/", appContext="x")]),
        card(links=[absolute("javascript:alert(1)")]),
        card(links=[absolute("data:text/html,x")]),
        card(links=[absolute("http://app.example/")]),
        card(links=[absolute("//app.example/")]),
        card(links=[absolute("https://[")]),
    ],
)
def test_card_that_breaks_a_rule_shows_none(wrong: Any) -> None:
    with pytest.raises(CdsProblem):
        read_cards({"cards": [card(), wrong]}, CLIENTS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cards", "summary", "source", "label", "links", "indicator", "url"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@unhurried
@given(JSON)
def test_any_answer_is_cards_or_a_problem(answer: Any) -> None:
    try:
        found = read_cards(answer if isinstance(answer, dict) else {"cards": answer}, CLIENTS)
    except CdsProblem:
        return
    assert all(0 < len(one.summary) < 140 for one in found)


NAMES = st.sampled_from(["services", "hook", "id", "description", "prefetch", "key"])


@unhurried
@given(st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON, max_size=4), max_size=4))
def test_any_discovery_is_services_or_a_problem(document: dict[str, Any]) -> None:
    for shaped in (document, {"services": [{**service(), **document}]}):
        try:
            found = read_services(shaped)
        except CdsProblem:
            continue
        assert all("/" not in one.id for one in found)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**two** studies", "<p><strong>two</strong> studies</p>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("<img src=x onerror=alert(1)>", "<p>&lt;img src=x onerror=alert(1)&gt;</p>\n"),
        ("![x](https://evil.example/x.png)", "<p>![x](https://evil.example/x.png)</p>\n"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("<https://evil.example/>", "<p>&lt;https://evil.example/&gt;</p>\n"),
    ],
)
def test_detail_is_markdown_without_markup_of_its_own(text: str, shown: str) -> None:
    assert markdown(text) == shown


@unhurried
@given(st.text(alphabet="<>&\"'`*_#[]()!\\\n aA1:/=-", max_size=60))
def test_no_detail_makes_an_element_that_loads_or_runs(text: str) -> None:
    shown = str(markdown(text)).lower()
    for element in ("<script", "<img", "<a ", "<a>", "<iframe", "<svg", "<style"):
        assert element not in shown
