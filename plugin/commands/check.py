"""`wetread check`: is everything as it must be? Each failure with its remedy."""

from __future__ import annotations

import os
import sys

import click

MARKS = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "failure": ("FAIL", "red")}


@click.command(name="check")
def command() -> None:
    """Check configuration, keys, database, EHRs, archives, worker and models.

    Exits with 1 if anything fails; warnings do not count.
    """
    from plugin.checks import all_checks

    failed = False
    for result in all_checks(os.environ):
        mark, colour = MARKS[result.kind]
        click.echo(f"{click.style(mark, fg=colour)}  {result.subject}: {result.text}")
        if result.remedy:
            click.echo(f"      -> {result.remedy}")
        failed = failed or result.kind == "failure"
    sys.exit(1 if failed else 0)
