"""What an unfitting request is answered: a problem with words, as JSON to scripts."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from plugin.web.problem_pages import HTTP_PROBLEMS
from tests.plugin.launch.conftest import problem_code


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/nothing", 404, "not_found"),
        ("POST", "/nothing", 404, "not_found"),
        ("POST", "/healthz", 405, "method_invalid"),
        ("DELETE", "/api/launch/end", 405, "method_invalid"),
    ],
)
def test_request_that_fits_nothing_is_answered_in_words(
    client: FlaskClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.open(path, method=method)
    assert answer.status_code == status
    assert problem_code(answer) == code


@pytest.mark.parametrize("status", HTTP_PROBLEMS)
def test_every_problem_of_http_says_what_is_wrong_and_what_to_do(status: int) -> None:
    problem = HTTP_PROBLEMS[status]
    assert all((problem.code, problem.title, problem.text, problem.next_step))
