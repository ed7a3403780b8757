"""`wetread check`: is everything as it must be? Each failure with its remedy."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from plugin.checks import Result

MARKS = {
    "ok": ("ok  ", "green"),
    "info": ("info", "cyan"),
    "warning": ("warn", "yellow"),
    "failure": ("FAIL", "red"),
}


@click.command(name="check")
@click.option("--ehr", "ehr_id", metavar="ID", help="Look at this EHR alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--without-launch",
    is_flag=True,
    help="Do not look with the sign-in of the newest open launch.",
)
def command(ehr_id: str | None, *, as_json: bool, without_launch: bool) -> None:
    """Check configuration, keys, database, EHRs, archives, worker and models.

    For scopes, study, archive and writing it takes the sign-in of the EHR's newest open launch:
    open Wetread once from a chart with a chest X-ray, leave the page open, then run this. It reads
    as that user, whom it names before, and the EHR's audit log afterwards; it writes nothing, and
    prints nothing about the patient.

    Exits with 1 if anything fails; warnings do not count.
    """
    from plugin.checks import all_checks

    failed = False
    for result in all_checks(os.environ, ehr_id=ehr_id, with_launch=not without_launch):
        click.echo(json.dumps(result.as_json()) if as_json else in_words(result))
        failed = failed or result.kind == "failure"
    sys.exit(1 if failed else 0)


def in_words(result: Result) -> str:
    """Give one result as one or two lines."""
    mark, colour = MARKS[result.kind]
    line = f"{click.style(mark, fg=colour)}  {harmless(result.subject)}: {harmless(result.text)}"
    return f"{line}\n      -> {harmless(result.remedy)}" if result.remedy else line


def harmless(text: str) -> str:
    """Show what a terminal would take for a command: an EHR's documents may hold anything."""
    return "".join(one if one.isprintable() else f"<U+{ord(one):04X}>" for one in text)
