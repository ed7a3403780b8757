"""What stands in the record after a job that had begun to write ended without its report.

What the user is told must be what the chart holds: the record is asked once more, a report that is
there is named, and an Observation without a report is withdrawn, so that no number stays valid that
nothing explains. Where the record cannot be asked, that is said.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from plugin.record import Record
from plugin.reporting.ours import is_of_patient
from plugin.reporting.write_back import WRITTEN, WriteMode, Written, keep, look_for_report
from plugin.reporting.write_modes import WRITERS
from plugin.reporting.writer import Answers, ForeignReport, Journal, Target, Writer
from smart_launch.errors import SmartError
from smart_launch.stored import Stored

log = logging.getLogger("wetread.write_back")

ABSENT = "The record held no report of this reading when Wetread looked again."
WITHDRAWN = f"{ABSENT} The finding that had been written before it was marked as cancelled."
LEFT = f"{ABSENT} A finding that had been written before it could not be withdrawn: look for it."
NOT_OURS = (
    f"{ABSENT} A finding lies where this reading's would, and was left as it is: look for it."
)
UNKNOWN = Written(
    None,
    None,
    None,
    saved=False,
    sentence="It is not known whether the report was saved; look at the chart's reports.",
    unknown=True,
)


def settle(record: Record, mode: WriteMode, target: Target, journal: Journal) -> Written:
    """Say what the record holds of a reading whose writing broke off; withdraw what stands alone.

    The caller is the only writer of the target's key.

    Raises
    ------
    SmartError, PluginError
        The record did not answer: what it holds is not known.
    """
    if mode not in WRITERS:
        return UNKNOWN
    writer = WRITERS[mode](record, journal, target)
    report, answers = look_for_report(writer)
    if report is None:
        return Written(None, None, None, saved=False, sentence=_withdraw(writer, answers))
    written = keep(writer, report, answers)
    return replace(written, sentence=WRITTEN) if written.saved else written


def _withdraw(writer: Writer, answers: Answers) -> str:
    """Cancel the findings that are still as we wrote them; the worst that became of one is said."""
    said = [_withdraw_one(writer, finding) for finding in writer.findings_in(answers)]
    return next((one for one in (LEFT, NOT_OURS, WITHDRAWN) if one in said), ABSENT)


def _withdraw_one(writer: Writer, finding: Stored) -> str:
    try:
        writer.require_ours(finding.resource)
        if finding.resource["status"] != "cancelled":
            writer.begin()
            cancelled = finding.resource | {"status": "cancelled"}
            writer.record.update(cancelled, if_match=finding.version)
    except ForeignReport:
        log.warning("observation_not_ours", extra={"place": finding.location})
        # Nobody is sent into another patient's chart.
        of_patient = is_of_patient(finding.resource, writer.target.patient, writer.record.base_url)
        return NOT_OURS if of_patient else ABSENT
    except SmartError as error:
        extra = {"code": error.code, "place": finding.location}
        log.warning("observation_not_withdrawn", extra=extra)
        return LEFT
    return WITHDRAWN
