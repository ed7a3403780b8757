"""The queue: Celery messages that carry the id of a row, as JSON, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import Celery

if TYPE_CHECKING:
    from plugin.settings import Settings

OPEN_STUDY = "wetread.open_study"
READ = "wetread.read"


def make_celery(settings: Settings) -> Celery:
    """The Celery application of this installation, for the web process and the worker alike."""
    raise NotImplementedError
