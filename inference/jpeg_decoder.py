"""Decode JPEG frames with GDCM in a process of its own (see `inference.jpeg_process`)."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.errors import PixelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A 40-megapixel frame takes 3 s; a stream that keeps the decoder longer is an attack or a fault.
_TIMEOUT_S = 60.0
_SCRIPT = Path(__file__).with_name("jpeg_process.py")


class JpegProcess:
    """One decoding process, started when first needed and again after it has died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def decode(self, frame: bytes, options: dict[str, Any]) -> NDArray[Any]:
        """Decode one frame.

        Parameters
        ----------
        frame
            The JPEG stream.
        options
            pydicom's decoding options: transfer syntax, rows, columns, bits and so on.

        Returns
        -------
        numpy.ndarray
            Shape (rows, columns) or (rows, columns, 3) in RGB; integers.

        Raises
        ------
        PixelError
            Damaged, unsupported, or it ended or stalled the process.
        """
        with self._lock:
            process = self._running()
            stalled = threading.Timer(_TIMEOUT_S, process.kill)
            stalled.start()
            try:
                header, body = _exchange(process, frame, options)
            except (OSError, ValueError) as error:
                self.close()
                raise PixelError(
                    "A JPEG frame must be decodable; this one is damaged and stopped the decoder."
                ) from error
            finally:
                stalled.cancel()
        if "problem" in header:
            raise PixelError(
                f"A JPEG frame must be whole and decodable; this one is not ({header['problem']})."
            )
        array: NDArray[Any] = np.frombuffer(body, dtype=header["dtype"]).reshape(header["shape"])
        return array

    def close(self) -> None:
        """End the process; the next frame starts a new one."""
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                _close_quietly(stream)
        process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None or self._owner != os.getpid():
            self.close()
            self._owner = os.getpid()
            # -P: the script's own folder must not shadow other modules.
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C lets the running reading end first
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        return self._process


def _close_quietly(stream: Any) -> None:
    try:
        stream.close()
    except OSError:  # the unsent rest of a request to a process that has died
        return


def _exchange(
    process: subprocess.Popen[bytes], frame: bytes, options: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    """Send a frame and wait for the answer; ValueError if it breaks off."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("both ends of the process must be pipes")
    process.stdin.write(json.dumps({**options, "bytes": len(frame)}).encode() + b"\n")
    process.stdin.write(frame)
    process.stdin.flush()
    header = json.loads(process.stdout.readline())
    body = process.stdout.read(header.pop("bytes"))
    if header.get("problem") is None and len(body) == 0:
        raise ValueError("the answer must hold an array")
    return header, body


shared = JpegProcess()
atexit.register(shared.close)
