"""Requests to a CDS service: one JSON answer, in time and of a sane size, or a problem."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from sandbox.errors import CdsProblem

LARGEST_ANSWER = 256 * 1024
_MOST_AT_ONCE = 8
# A service that drips its answer keeps a thread; so many may hang, and no chart waits for them.
_places = threading.BoundedSemaphore(_MOST_AT_ONCE)


@dataclass(frozen=True)
class Question:
    """One request to a service.

    Attributes
    ----------
    url : str
    body : dict or None
        Posted as JSON; None makes it a GET.
    headers : mapping
    """

    url: str
    body: dict[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def ask(question: Question, deadline: float) -> dict[str, Any]:
    """Ask, and wait until ``deadline`` (of ``time.monotonic``) at the most.

    Raises
    ------
    CdsProblem
        No answer in time, an answer other than 200, too large, or no JSON object.
    """
    left_s = deadline - time.monotonic()
    if left_s <= 0 or not _places.acquire(blocking=False):
        raise CdsProblem("the service did not answer in time")
    answers: queue.SimpleQueue[dict[str, Any] | CdsProblem] = queue.SimpleQueue()
    # Socket timeouts count from byte to byte; only another thread can watch the whole.
    threading.Thread(target=_work, args=(question, left_s, answers), daemon=True).start()
    try:
        answer = answers.get(timeout=left_s)
    except queue.Empty as error:
        raise CdsProblem("the service did not answer in time") from error
    if isinstance(answer, CdsProblem):
        raise answer
    return answer


def _work(
    question: Question, left_s: float, answers: queue.SimpleQueue[dict[str, Any] | CdsProblem]
) -> None:
    try:
        answers.put(_exchange(question, left_s))
    except CdsProblem as problem:
        answers.put(problem)
    except (requests.RequestException, OSError, ValueError, RecursionError):
        answers.put(CdsProblem("the service did not answer as a CDS service does"))
    finally:
        _places.release()


def _exchange(question: Question, left_s: float) -> dict[str, Any]:
    with requests.request(
        "GET" if question.body is None else "POST",
        question.url,
        json=question.body,
        headers={"Accept": "application/json", "Accept-Encoding": "identity", **question.headers},
        timeout=left_s,
        allow_redirects=False,
        stream=True,
    ) as response:
        if response.status_code != 200:
            raise CdsProblem(f"the service must answer 200; it answered {response.status_code}")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise CdsProblem("the service must answer application/json")
        data = response.raw.read(LARGEST_ANSWER + 1)
    if len(data) > LARGEST_ANSWER:
        raise CdsProblem(f"an answer may have {LARGEST_ANSWER} bytes at most")
    found = json.loads(data)
    if not isinstance(found, dict):
        raise CdsProblem("an answer must be a JSON object")
    return found
