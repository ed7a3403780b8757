"""The queue: Celery messages that carry the id of a row, as JSON, and nothing else.

The row is the truth, the message a nudge: a lost message delays a job until the next sweep, a
doubled one finds the row taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery

from plugin.imaging.cache import make_private

if TYPE_CHECKING:
    from plugin.settings import Settings

OPEN_STUDY = "wetread.open_study"
READ = "wetread.read"
QUEUE = "wetread"
# At this interval a message waits for about 33 ms; a shorter one only costs idle work.
POLLING_SECONDS = 0.05


def make_celery(settings: Settings) -> Celery:
    """Make the Celery application of this installation, for web process and worker alike."""
    in_folder = settings.broker_url.startswith("filesystem:")
    # Without a host kombu warns that it takes this one.
    address = "filesystem://localhost//" if in_folder else settings.broker_url
    app = Celery("wetread", broker=address, set_as_current=False)
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
    )
    if in_folder:
        app.conf.update(_folder_broker(settings))
    return app


def send(app: Celery, task: str, row_id: str, *, delay_s: float = 0.0) -> None:
    """Nudge the workers to look at a row."""
    app.send_task(task, args=[row_id], countdown=delay_s or None, ignore_result=True)


def _folder_broker(settings: Settings) -> dict[str, Any]:
    """Keep messages in folders that only this user can enter."""
    queue, control = settings.data_dir / "queue", settings.data_dir / "queue-control"
    for folder in (queue, control):
        make_private(folder)
    return {
        "broker_transport": "plugin.jobs.queue_folder:Transport",
        "broker_transport_options": {
            "data_folder_in": str(queue),
            "data_folder_out": str(queue),
            "control_folder": str(control),
            "polling_interval": POLLING_SECONDS,
        },
    }
