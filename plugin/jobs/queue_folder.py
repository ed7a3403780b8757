"""Celery's file system transport with messages that appear whole.

Kombu opens the message file first and writes it then; a worker that looks in between takes an empty
message and falls over it. Here a message is written under another name and renamed.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Puts messages atomically."""

    def _put(  # type: ignore[override]  # kombu's two base classes disagree
        self, queue: str, payload: Any, **kwargs: Any
    ) -> None:
        del kwargs
        folder = Path(self.data_folder_out)
        # The name sorts by age and ends in `.<queue>.msg`: that is what kombu looks for.
        name = f"{time.time_ns() // 1_000_000:015}_{uuid4()}.{queue}.msg"
        waiting = folder / f"{uuid4()}.writing"
        waiting.write_text(str(dumps(payload)), "utf-8")  # type: ignore[no-untyped-call]
        waiting.rename(folder / name)


class Transport(filesystem.Transport):
    """The transport to name in `broker_transport`."""

    Channel = Channel
