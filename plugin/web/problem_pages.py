"""Errors as the user sees them: a page in plain language, or JSON for the reading page."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from plugin.errors import PluginError, Problem, problem_of
from smart_launch.errors import LaunchRefused, SmartError, TokenRejected

log = logging.getLogger("wetread.problems")

AGAIN = "Open Wetread again from the patient's chart."
NOT_UNDERSTOOD = "The request was not understood"
HTTP_PROBLEMS = {
    400: Problem("request_invalid", NOT_UNDERSTOOD, "Something in it cannot be read.", AGAIN),
    404: Problem(
        "not_found",
        "There is nothing at this address",
        "The address may be mistyped or old.",
        AGAIN,
    ),
    405: Problem("method_invalid", NOT_UNDERSTOOD, "This address answers other requests.", AGAIN),
    413: Problem(
        "too_large", "The request is too large", "It is longer than Wetread accepts.", AGAIN
    ),
    415: Problem("not_json", NOT_UNDERSTOOD, "Wetread is sent JSON; this is not JSON.", AGAIN),
}
UNEXPECTED = Problem(
    "unexpected",
    "Something went wrong in Wetread",
    "The problem has been noted for the administrator.",
    "Try again; if it happens again, tell your Wetread administrator.",
)


def add_problem_pages(app: Flask) -> None:
    """Answer every error with a problem: the program's own, HTTP's, and those nobody foresaw."""

    @app.errorhandler(PluginError)
    def plugin_error(error: PluginError) -> Response:
        log.info("refused", extra={"code": error.code, "rule": request.url_rule})
        return answer(problem_of(error), error.status)

    @app.errorhandler(SmartError)
    def smart_error(error: SmartError) -> Response:
        log.warning("ehr_problem", extra={"code": error.code, "rule": request.url_rule})
        return answer(problem_of(error), status_of(error))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        return answer(HTTP_PROBLEMS.get(status, UNEXPECTED), status)

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        log.error("unexpected", exc_info=error, extra={"rule": request.url_rule})
        return answer(UNEXPECTED, 500)


def status_of(error: SmartError) -> int:
    """Give 400 for a launch that was refused for good, 502 where the other side failed."""
    refused = isinstance(error, LaunchRefused | TokenRejected) and not error.retryable
    return 400 if refused else 502


def answer(problem: Problem, status: int) -> Response:
    """Give the problem as JSON to scripts and as a page to people."""
    # Only navigations get pages; everything else is the reading page's fetch.
    navigates = request.method == "GET" and not request.path.startswith(("/api/", "/static/"))
    kinds = ("text/html", "application/json")
    if navigates and request.accept_mimetypes.best_match(kinds, kinds[0]) == kinds[0]:
        response = make_response(render_template("problem.html", problem=problem))
    else:
        response = jsonify(problem.as_json())
    response.status_code = status
    return response
