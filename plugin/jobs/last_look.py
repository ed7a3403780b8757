"""The last look into the record before a reading that had begun to write ends."""

from __future__ import annotations

import logging

from plugin.errors import PluginError
from plugin.jobs.row_journal import RowJournal
from plugin.readings import Reading
from plugin.reporting.settling import UNKNOWN, settle
from plugin.reporting.write_back import Written
from plugin.reporting.writer import Target
from plugin.workbench import Workshop
from smart_launch.errors import SmartError

log = logging.getLogger("wetread.jobs")


def look_again(
    shop: Workshop, row: Reading, journal: RowJournal, *, written: str | None = None
) -> Written | None:
    """Say what the record holds under every key that this reading has begun to write.

    Parameters
    ----------
    written : str or None
        A key whose report is known to be there.

    Returns
    -------
    Written or None
        None if nothing was ever written.

    Raises
    ------
    LeaseLost
    """
    keys = [key for key in journal.begun_keys() if key != written]
    found = [_look(shop, row, journal, key) for key in keys]
    if not found:
        return None
    unknown = next((one for one in found if one.unknown), None)
    return unknown or next((one for one in found if one.report), found[-1])


def _look(shop: Workshop, row: Reading, journal: RowJournal, key: str) -> Written:
    try:
        launch = shop.services.launches.get(row.launch_id)
        record = shop.bench_for(launch, row.study_id).record
        target = Target(row.patient, key, launch.ehr.report_status)
        with journal.alone(key):
            return settle(record, launch.ehr.write, target, journal)
    except (PluginError, SmartError) as error:
        log.warning("report_unknown", extra={"job": row.id, "code": error.code}, exc_info=error)
        return UNKNOWN
