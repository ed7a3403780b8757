"""The worker process: models warm, one Celery worker with threads, leases, sweep, maintenance.

One process: the threads share the loaded models, and NumPy, OpenCV and ONNX Runtime release the
interpreter lock while they work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import Celery

from plugin.jobs.broker import check_broker
from plugin.jobs.installed_models import publish_models
from plugin.jobs.job_runner import JobRunner
from plugin.jobs.leases import Leases
from plugin.jobs.maintenance import Maintenance
from plugin.jobs.messages import OPEN_STUDY, QUEUE, READ, make_celery, send
from plugin.jobs.sweep import Sweeper
from plugin.services import build_services
from plugin.settings import Settings
from plugin.start_checks import check_model_choice
from plugin.workbench import Workshop, open_workshop

log = logging.getLogger("wetread.worker")


def run_worker(settings: Settings) -> int:
    """Work until SIGTERM or Ctrl-C; jobs in hand are finished first.

    Returns
    -------
    int
        Exit status.

    Raises
    ------
    PluginError, InferenceError
        The worker must not start; the message says why.
    """
    check_model_choice(settings)
    services = build_services(settings)
    check_broker(settings)
    shop = open_workshop(services)
    publish_models(services.database, [model.facts for model in shop.models.values()])
    app = make_celery(settings)
    threads = start_threads(app, shop)
    log.info("worker_started", extra={"models": sorted(shop.models)})
    worker = app.Worker(
        pool="threads",
        concurrency=settings.worker_threads,
        queues=[QUEUE],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel=settings.log_level,
    )
    try:
        worker.start()
    finally:
        for thread in threads:
            thread.stop()
        services.database.close()
    log.info("worker_stopped")
    return int(worker.exitcode or 0)


def start_threads(app: Celery, shop: Workshop) -> list[Any]:
    """Register the tasks and start what runs beside them."""
    settings = shop.services.settings
    leases = Leases(settings.job_lease_s)
    send_opening, send_reading = _sender(app, OPEN_STUDY), _sender(app, READ)
    runner = JobRunner(shop, leases, send_opening, send_reading)
    app.task(runner.open_study, name=OPEN_STUDY)
    app.task(runner.read, name=READ)
    jobs: list[Any] = [
        (runner.openings, partial(send_opening, delay_s=0.0)),
        (runner.readings, partial(send_reading, delay_s=0.0)),
    ]
    sweeper = Sweeper(settings, shop.cache, jobs)
    threads: list[Any] = [leases, sweeper, Maintenance(shop.services)]
    for thread in threads:
        thread.start()
    return threads


def _sender(app: Celery, task: str) -> Callable[..., None]:
    def resend(row_id: str, delay_s: float) -> None:
        send(app, task, row_id, delay_s=delay_s)

    return resend
