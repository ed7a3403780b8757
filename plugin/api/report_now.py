"""What is said later of the report that a reading wrote: the chart decides, not the row of then."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from plugin.errors import PluginError
from plugin.imaging.subjects import of_patient
from plugin.launching.launches import OpenLaunch
from plugin.readings import Reading
from plugin.record import Record
from smart_launch.errors import FhirForbidden, FhirNotFound, SmartError

log = logging.getLogger("wetread.readings")

# The page that asked for the reading hears what was read back just now.
FRESH_SECONDS = 60.0


def report_now(row: Reading, launch: OpenLaunch, record: Record) -> dict[str, Any] | None:
    """Give what the row says of its report, with a sentence that is true now and for this user.

    `saved` and `status` tell what was when the reading ended, `status_now` what the chart says.
    """
    report = row.report or {}
    if "sentence" not in report:
        return None
    own = row.launch_id == launch.id
    if own and time.time() - row.updated_at < FRESH_SECONDS:
        return report | {"status_now": report.get("status")}
    if not report.get("report"):
        return report if own else report | {"sentence": _without_reference(report)}
    status, sentence = _look(report, record, row.patient)
    return report | {"status_now": status, "sentence": sentence}


def _without_reference(report: Mapping[str, Any]) -> str:
    """Leave out why: it was said to somebody else, of their sign-in."""
    if report.get("unknown"):
        return (
            "When this was read, it was not known whether the report was saved; look at the "
            "chart's reports."
        )
    return "When this was read, no report was saved."


def _look(report: Mapping[str, Any], record: Record, patient: str) -> tuple[str | None, str]:
    then = f"When this was read, a report with the status {report['status']} was in the chart"
    try:
        found = record.read(*report["report"].split("/", 1))
        current = of_patient(record, patient, [found])
    except (FhirNotFound, FhirForbidden):
        return None, f"{then}; now it is not there, or not for you to see."
    except (SmartError, PluginError) as error:
        log.warning("report_not_checked", extra={"code": error.code})
        return None, f"{then}; whether it still is could not be found out."
    if not current:
        return None, f"{then}; now it is another patient's."
    status = str(current[0].get("status"))
    if status == report["status"]:
        return status, str(report["sentence"])
    return status, f"{then}; now its status is {status}."
