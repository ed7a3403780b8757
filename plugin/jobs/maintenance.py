"""What has to be done again and again: heartbeat, revocation of what is over, retention."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time

from plugin.jobs.heartbeat import beat, forget_dead
from plugin.services import Services

BEAT_SECONDS = 5.0
CLEAN_SECONDS = 60.0

log = logging.getLogger("wetread.maintenance")


def clean(services: Services) -> None:
    """Revoke tokens whose page is gone and whose jobs are done; delete rows past their time."""
    services.tokens.revoke_what_is_over()
    services.states.purge()
    services.launches.purge()
    forget_dead(services.database)


class Maintenance(threading.Thread):
    """Beats and cleans in the background of a worker until `stop`."""

    def __init__(self, services: Services) -> None:
        super().__init__(name="maintenance", daemon=True)
        self._services = services
        self._stopped = threading.Event()
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    def run(self) -> None:
        """Work until stopped; one failure does not end it."""
        cleaned = 0.0
        while not self._stopped.wait(BEAT_SECONDS if cleaned else 0.0):
            try:
                beat(self._services.database, self._worker)
                if time.monotonic() - cleaned > CLEAN_SECONDS or not cleaned:
                    cleaned = time.monotonic()
                    clean(self._services)
            except Exception as error:
                log.error("maintenance_failed", exc_info=error)

    def stop(self) -> None:
        """End the thread soon."""
        self._stopped.set()
