"""How long, how much and how often `http.py` asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HttpLimits:
    """How long, how much and how often.

    Parameters
    ----------
    connect_s, read_s : float
        Seconds to connect, and to wait for the next bytes.
    total_s : float
        Seconds for the whole request, its retries and its body.
    response_bytes : int
        Largest body, after decompression.
    attempts : int
        Tries of an idempotent request, the first included.
    backoff_s : float
        Pause before the second try; doubles with each further one.
    retry_after_s : float
        Longest Retry-After that is waited for; beyond it the answer is handed back at once.
    stream_bytes_per_s : float
        Slowest that a streamed body may be on the whole, after its first ``total_s`` seconds: a
        large body takes its time, one that drips ends.
    """

    connect_s: float = 5.0
    read_s: float = 20.0
    total_s: float = 60.0
    response_bytes: int = 20 * 1024 * 1024
    attempts: int = 3
    backoff_s: float = 0.25
    retry_after_s: float = 5.0
    stream_bytes_per_s: float = 256 * 1024
