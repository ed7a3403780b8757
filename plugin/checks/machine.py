"""What concerns this machine: the address to listen on, clock, broker, worker."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection, HTTPException

from plugin.addresses import listening_at
from plugin.checks.result import Result
from plugin.errors import PluginError
from plugin.jobs.heartbeat import SILENT_SECONDS, worker_age_s
from plugin.services import Services
from plugin.settings import Settings
from plugin.start_checks import check_bind

ANSWER_SECONDS = 3.0
NTP = "Set the clocks of all machines by NTP: jobs are leased by the time of day."


def judged(
    subject: str, code: str, check: Callable[[Settings], None], settings: Settings, good: str
) -> Result:
    """Make a result of a check that raises."""
    try:
        check(settings)
    except PluginError as error:
        return Result("failure", subject, code, error.text, error.next_step)
    return Result("ok", subject, code, good)


def check_address(settings: Settings) -> Result:
    """Look whether the web server can listen, or listens already."""
    result = judged("address", "bind", check_bind, settings, f"{settings.bind} is free")
    if result.kind == "failure" and wetread_answers(settings):
        return Result("ok", "address", "bind", f"Wetread answers at {settings.bind}")
    return result


def wetread_answers(settings: Settings) -> bool:
    """Tell whether what listens at the configured address is Wetread."""
    place = listening_at("bind", settings.bind)
    if place is None:
        return False
    connection = HTTPConnection(*place, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read(100).strip() == b'{"status":"ok"}'
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def check_clock(difference_s: float | None, lease_s: float) -> Result:
    """Compare this machine's clock with the database's.

    A lease is renewed when a quarter of it is over: a clock that is off by as much may let another
    machine take a job that is being done.
    """
    if difference_s is None:
        return Result("warning", "clock", "clock", "this database does not tell its time", NTP)
    if abs(difference_s) < lease_s / 4:
        text = f"within {abs(difference_s):.1f} s of the database's"
        return Result("ok", "clock", "clock", text)
    side = "ahead of" if difference_s > 0 else "behind"
    text = f"{abs(difference_s):.0f} s {side} the database's"
    return Result("failure", "clock", "clock", text, NTP)


def check_worker(services: Services) -> Result:
    """Look for a worker's sign of life."""
    age = worker_age_s(services.database)
    remedy = "Start `wetread serve`, or `wetread worker`: without one no image is read."
    if age is None:
        return Result("warning", "worker", "worker", "none has ever been alive", remedy)
    if age > SILENT_SECONDS:
        text = f"the last sign of life must be at most {SILENT_SECONDS:.0f} s old; it is {age:.0f}"
        return Result("failure", "worker", "worker", text, remedy)
    return Result("ok", "worker", "worker", f"last sign of life {age:.0f} s ago")
