"""`wetread serve`: the web server and one job worker."""

from __future__ import annotations

import sys

import click


@click.command(name="serve")
def command() -> None:
    """Run the web server and one job worker, until SIGTERM or Ctrl-C."""
    from plugin.errors import PluginError
    from plugin.logs import configure_logging
    from plugin.services import build_services
    from plugin.settings import load_settings
    from plugin.web.supervisor import Child, Supervisor

    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        # Configuration, keys and database are checked here once, with one clear message.
        build_services(settings).database.close()
    except PluginError as error:
        raise click.ClickException(f"{error.text}\n{error.next_step}") from error
    web = [sys.executable, "-m", "gunicorn", "-c", "python:plugin.web.gunicorn_config"]
    worker = [sys.executable, "-m", "plugin", "worker"]
    children = [Child("web", web, vital=True), Child("worker", worker, vital=False)]
    sys.exit(Supervisor(children).run())
