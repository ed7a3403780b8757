"""`wetread worker`: one job worker, as `wetread serve` starts it."""

from __future__ import annotations

import os
import sys

import click


class CannotPass(click.ClickException):
    """An error that the next start would meet again: `wetread serve` does not restart for it."""

    exit_code = os.EX_CONFIG


@click.command(name="worker")
def command() -> None:
    """Run a job worker until SIGTERM or Ctrl-C; readings in hand are finished first.

    Exits with 78 if it cannot work until the configuration is changed; `wetread serve` then stops.
    """
    from inference.errors import InferenceError
    from plugin.errors import PluginError, SettingsError, VaultError
    from plugin.jobs.worker import run_worker
    from plugin.logs import configure_logging
    from plugin.settings import load_settings

    # What this process and its children write is for this user alone.
    os.umask(0o077)
    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        status = run_worker(settings)
    except PluginError as error:
        lasting = isinstance(error, SettingsError | VaultError)
        refusal = CannotPass if lasting else click.ClickException
        raise refusal(f"{error.text}\n{error.next_step}") from error
    except InferenceError as error:
        raise CannotPass(f"{error}\nRun `wetread check`: it names the remedy.") from error
    sys.exit(status)
