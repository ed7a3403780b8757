"""What must be right before processes are started: found here, it is one plain sentence."""

from __future__ import annotations

import errno
import socket

from inference.registry import model_names
from inference.runtimes import RUNTIMES
from plugin.addresses import listening_at
from plugin.errors import SettingsError
from plugin.settings import Settings


def check_model_choice(settings: Settings) -> None:
    """Refuse a model or a runtime that is not installed; nothing is loaded for it.

    Raises
    ------
    SettingsError
        Names the setting.
    """
    known = model_names()
    if settings.model and settings.model not in known:
        raise SettingsError(
            f"model (WETREAD_MODEL) must be one of {', '.join(known) or '(none is installed)'}, "
            f"or empty; got {settings.model!r}"
        )
    if settings.model_runtime not in RUNTIMES:
        raise SettingsError(
            f"model_runtime (WETREAD_MODEL_RUNTIME) must be one of {', '.join(RUNTIMES)}; "
            f"got {settings.model_runtime!r}"
        )


def check_bind(settings: Settings) -> None:
    """Take the address to listen on, and give it back.

    Raises
    ------
    SettingsError
        Another program has it, or it is none of this machine's.
    """
    place = listening_at("bind (WETREAD_BIND)", settings.bind)
    if place is None:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As gunicorn does: connections that are ending keep nobody from listening.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "another program listens there" if taken else error.strerror or "unknown"
        raise SettingsError(
            "bind (WETREAD_BIND) must be a free address of this machine; "
            f"got {settings.bind!r} ({reason})",
            next_step="Stop the other program, or set another port." if taken else None,
        ) from error
