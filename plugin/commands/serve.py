"""`wetread serve`: the web server and one job worker."""

from __future__ import annotations

import os
import sys

import click


@click.command(name="serve")
def command() -> None:
    """Run the web server and one job worker, until SIGTERM or Ctrl-C."""
    from plugin.errors import PluginError
    from plugin.jobs.broker import check_broker
    from plugin.logs import configure_logging
    from plugin.services import build_services
    from plugin.settings import load_settings
    from plugin.start_checks import check_bind, check_model_choice
    from plugin.web.supervisor import Child, Supervisor

    # What this process and its children write is for this user alone.
    os.umask(0o077)
    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        # Everything is checked here once, with one clear message, before a process is started.
        check_model_choice(settings)
        check_bind(settings)
        build_services(settings).database.close()
        check_broker(settings)
    except PluginError as error:
        raise click.ClickException(f"{error.text}\n{error.next_step}") from error
    web = [sys.executable, "-m", "gunicorn", "-c", "python:plugin.web.gunicorn_config"]
    worker = [sys.executable, "-m", "plugin", "worker"]
    children = [Child("web", web, vital=True), Child("worker", worker, vital=False)]
    sys.exit(Supervisor(children).run())
