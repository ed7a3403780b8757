"""No open redirector, and nothing that arrives is run: docs/smart-conformance.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import plugin
from tests.plugin.launch.conftest import BASE_URL, Browser
from tests.plugin.launch.hospital import Hospital

STRANGER = "https://stranger.example/stolen"
# Names under which applications take addresses to go to.
NAMES = (
    "redirect_uri", "redirect", "redirect_url", "return", "return_to", "next", "url", "target",
    "continue", "goto", "iss", "aud", "launch", "code", "state", "error", "error_uri",
    "error_description", "post_logout_redirect_uri", "smart_style_url", "authorize",
)  # fmt: skip
ROOT = Path(plugin.__file__).parents[1]
SOURCES = sorted(
    file
    for package in ("smart_launch", "plugin", "inference")
    for file in (ROOT / package).rglob("*.py")
)
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
RUNS_DATA = {"pickle", "marshal", "shelve", "dill", "joblib", "yaml"}


def pages(app: Flask) -> list[str]:
    """Every address that answers GET and needs no argument beyond the EHR's id."""
    found = {
        rule.rule.replace("<ehr_id>", "north")
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and set(rule.arguments) <= {"ehr_id"}
    }
    assert {"/launch", "/callback/north", "/healthz"} <= found
    return sorted(found)


def test_no_parameter_makes_any_page_lead_elsewhere(app: Flask, client: FlaskClient) -> None:
    for path in pages(app):
        for query in (dict.fromkeys(NAMES, STRANGER), {"ehr": "north", "next": STRANGER}):
            with client.get(path, query_string=query) as answer:
                assert not 300 <= answer.status_code < 400, path
                assert not {"Location", "Refresh", "Link"} & set(answer.headers.keys()), path
                assert "stranger.example" not in answer.get_data(as_text=True), path


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30) | st.just(STRANGER)))
def test_nothing_in_an_answer_to_the_callback_leads_elsewhere(
    client: FlaskClient, parameters: dict[str, str]
) -> None:
    origin = {"Origin": BASE_URL}
    body = {"state": "s", "binder": "b"} | parameters
    for answer in (
        client.get("/callback/north", query_string=parameters),
        client.post("/callback/north", json=body, headers=origin),
    ):
        assert answer.status_code in (200, 400)
        assert "Location" not in answer.headers
        assert "stranger.example" not in answer.text


def test_the_browser_is_sent_to_the_registered_sign_in_only(
    browser: Browser, hospital: Hospital
) -> None:
    extra = dict.fromkeys(("redirect_uri", "authorize", "authorization_endpoint", "aud"), STRANGER)
    for wanted in ({"iss": hospital.issuer, "launch": STRANGER}, {"ehr": "north"}):
        address = urlsplit(browser.launch(**wanted, **extra).authorize)
        assert f"{address.scheme}://{address.netloc}{address.path}" == f"{hospital.base}/authorize"
        query = dict(part.partition("=")[::2] for part in address.query.split("&"))
        assert "stranger.example" not in str({**query, "launch": ""})


def test_nothing_that_arrives_is_run_as_code() -> None:
    assert len(SOURCES) > 100
    assert [found for file in SOURCES for found in dangers(file)] == []
    # The search itself finds what it looks for.
    dangerous = "import yaml\neval(x)\nrun(x, shell=True)\nos.system(x)\n"
    assert sorted(dangers_in(ast.parse(dangerous))) == [1, 2, 3, 4]


def dangers(file: Path) -> list[str]:
    """Places of a file that would run a text, or data that may hold code."""
    found = dangers_in(ast.parse(file.read_text("utf-8")))
    return [f"{file.relative_to(ROOT)}:{line}" for line in found]


def dangers_in(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            shell = [ast.unparse(word.value) for word in node.keywords if word.arg == "shell"]
            if ast.unparse(node.func) in RUNS_TEXT or set(shell) - {"False"}:
                yield node.lineno
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
            if {name.partition(".")[0] for name in modules} & RUNS_DATA:
                yield node.lineno
