"""A real HAPI FHIR server as a process (`tests/hapi/run`)."""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

RUN = Path(__file__).with_name("run")
BUILT = Path(__file__).parents[2] / "var" / "hapi" / "fingerprint"
# The first build downloads some 300 MB.
BUILD_LIMIT_S = 900
# 15 s on two idle cores; other tests may be running beside it.
START_LIMIT_S = 180
STOP_LIMIT_S = 30
PR_SET_PDEATHSIG = 1
# To the kernel the parent is the thread that started the server: one that lives as long as we do.
STARTER = ThreadPoolExecutor(1, "hapi")


class HapiError(Exception):
    """The server could not be built or started, or did not stop."""


@dataclass
class Hapi:
    """One server; it can be stopped and started again with its records and its address.

    Attributes
    ----------
    folder : Path
        Its database (``data``) and its log.
    port : int
        0 until the first start, unless a port was chosen.
    """

    folder: Path
    port: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """FHIR base address."""
        return f"http://127.0.0.1:{self.port}/fhir"

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        HapiError
            It ended, or did not answer in time; with the end of its log.
        """
        if self._process is not None:
            raise HapiError("HAPI must be stopped before it can be started; it is running")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._process = STARTER.submit(self._launch).result()
        try:
            self.port = urlsplit(self._address()).port or 0
        except BaseException:
            self.kill()
            raise

    def _launch(self) -> subprocess.Popen[str]:
        command = [str(RUN), "--port", str(self.port), "--data", str(self.folder / "data")]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                # Ctrl-C is for this process: what asks HAPI must stop before it does.
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def stop(self) -> None:
        """Ask it to finish, and wait; what was answered is kept."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            raise HapiError(f"HAPI must stop within {STOP_LIMIT_S} s; it did not") from error
        finally:
            if process.stdout is not None:
                process.stdout.close()

    @property
    def _log(self) -> Path:
        return self.folder / "hapi.log"

    def _address(self) -> str:
        """Read the address that it prints once it answers."""
        process = self._process
        if process is None or process.stdout is None:
            raise HapiError("HAPI must be running; it is not")
        too_late = threading.Timer(START_LIMIT_S, process.kill)
        too_late.start()
        try:
            address = process.stdout.readline().strip()
        finally:
            too_late.cancel()
        if not address:
            said = self._log.read_text("utf-8", "replace")[-2000:]
            raise HapiError(f"HAPI must answer within {START_LIMIT_S} s; it did not:\n{said}")
        return address


def missing() -> str | None:
    """Say what must be installed before HAPI can be built and started; None when all is there."""
    wanted = ["java", "flock"] if BUILT.exists() else ["java", "flock", "javac", "mvn"]
    lack = [name for name in wanted if shutil.which(name) is None]
    if not lack:
        return None
    return f"HAPI needs {', '.join(lack)} (apt-get install default-jdk-headless maven)"


def build() -> None:
    """Build it, unless that was done; a start would do the same, but hastily.

    Raises
    ------
    HapiError
        With what the build said.
    """
    done = subprocess.run(
        [str(RUN), "--build"], capture_output=True, text=True, check=False, timeout=BUILD_LIMIT_S
    )
    if done.returncode:
        raise HapiError(f"HAPI must be built before it can start; {done.stderr[-2000:].strip()}")


@contextmanager
def running_hapi(folder: Path, port: int = 0) -> Iterator[Hapi]:
    """Run a server while the block runs.

    Parameters
    ----------
    folder : Path
        For its database and log; what lies there from an earlier run is served again.
    port : int
        0 takes any free one, which the server then keeps.

    Raises
    ------
    HapiError
        It could not be started.
    """
    hapi = Hapi(folder, port)
    hapi.start()
    try:
        yield hapi
    finally:
        hapi.stop()


def _die_with_parent() -> None:
    """Have the kernel end the server when the tests are killed; it would listen for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
