"""A connection that breaks: a TCP proxy that hangs up in the middle of a long answer."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class CuttingProxy:
    """Where it listens, and how many answers it has cut."""

    origin: str
    cut: int = 0


@contextmanager
def cutting_proxy(port: int, after_bytes: int, times: int) -> Iterator[CuttingProxy]:
    """Pass connections on to a port of this machine; end so many of them after so many bytes."""

    class Passing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as server:
                threading.Thread(target=_copy, args=(self.request, server), daemon=True).start()
                whole = _copy(server, self.request, after_bytes if proxy.cut < times else None)
                proxy.cut += not whole

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Passing) as listener:
        listener.daemon_threads = True
        proxy = CuttingProxy(f"http://127.0.0.1:{listener.server_address[1]}")
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown()
            thread.join()


def _copy(source: socket.socket, target: socket.socket, limit: int | None = None) -> bool:
    """Copy until the end; false if the limit came first."""
    copied = 0
    try:
        while piece := source.recv(65536):
            if limit is not None and copied + len(piece) > limit:
                target.sendall(piece[: limit - copied])
                return False
            target.sendall(piece)
            copied += len(piece)
    except OSError:
        return True
    return True
