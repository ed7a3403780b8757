"""From a request to a queued row and its message; in the web process."""

from __future__ import annotations

import logging
from typing import TypeVar

from celery import Celery
from flask import current_app
from kombu.exceptions import OperationalError

from plugin.imaging.cache import ImageCache
from plugin.jobs.job_rows import JobRows
from plugin.jobs.messages import make_celery, send
from plugin.launching.handles import services
from plugin.readings import Opening, Reading

log = logging.getLogger("wetread.queue")

Row = TypeVar("Row", Opening, Reading)
EXTENSION = "wetread-celery"


def enqueue(rows: JobRows[Row], row: Row, task: str) -> str:
    """Keep a row and nudge a worker; a row that is open already is taken instead.

    Raises
    ------
    TooManyJobs
        The launch has too many unfinished ones.
    """
    settings = services().settings
    row_id, is_new = rows.add(row, nudge_s=settings.job_sweep_s, limit=settings.job_limit)
    if is_new:
        nudge(task, row_id)
    return row_id


def nudge(task: str, row_id: str) -> None:
    """Send the message; without it the sweep finds the row."""
    try:
        send(_celery(), task, row_id)
    except (OperationalError, OSError) as error:
        log.warning("message_not_sent", extra={"task": task, "job": row_id}, exc_info=error)


def cache() -> ImageCache:
    """Give the image cache."""
    return ImageCache(services().settings.data_dir)


def _celery() -> Celery:
    if EXTENSION not in current_app.extensions:
        current_app.extensions[EXTENSION] = make_celery(services().settings)
    app: Celery = current_app.extensions[EXTENSION]
    return app
