"""`wetread worker`: one job worker, as `wetread serve` starts it."""

from __future__ import annotations

import sys

import click


@click.command(name="worker")
def command() -> None:
    """Run a job worker until SIGTERM or Ctrl-C; readings in hand are finished first."""
    from inference.errors import InferenceError
    from plugin.errors import PluginError
    from plugin.jobs.worker import run_worker
    from plugin.logs import configure_logging
    from plugin.settings import load_settings

    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        status = run_worker(settings)
    except PluginError as error:
        raise click.ClickException(f"{error.text}\n{error.next_step}") from error
    except InferenceError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(status)
