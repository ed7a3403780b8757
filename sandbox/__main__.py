"""``python -m sandbox``: the demo hospital as a process of its own."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any

import click

from sandbox.clients import read_clients
from sandbox.errors import SandboxError
from sandbox.server import RunningSandbox
from sandbox.settings import WRITE_PROFILES, SandboxSettings

_FOLDER = click.Path(file_okay=False, path_type=Path)
_AT_LEAST_ONE = click.IntRange(min=1)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_NEW_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default="localhost", show_default=True, help="Host of every address.")
@click.option("--port", default=8080, show_default=True, help="0 takes a free one.")
@click.option("--data", "data_dir", type=_FOLDER, required=True, help="Records, images, key.")
@click.option("--clients", "clients_file", type=_FILE, required=True, help="Registered clients.")
@click.option(
    "--fhir",
    "fhir_url",
    envvar="SANDBOX_FHIR",
    show_envvar=True,
    help="Base of a real FHIR R4 server to stand in front of.",
)
@click.option(
    "--dicomweb",
    "dicomweb_url",
    envvar="SANDBOX_DICOMWEB",
    show_envvar=True,
    help="DICOMweb root of a real PACS.",
)
@click.option("--images", "images_dir", type=_FOLDER, help="Folder of X-rays to import.")
@click.option("--write-profile", type=click.Choice(WRITE_PROFILES), default="transaction-put")
@click.option("--refuse-frames", is_flag=True, help="Sign-in refuses to be framed.")
@click.option("--access-token-seconds", "access_token_s", type=_AT_LEAST_ONE, default=3600)
@click.option("--refresh-token-seconds", "refresh_token_s", type=_AT_LEAST_ONE, default=8 * 3600)
@click.option("--backend-token-seconds", "backend_token_s", type=_AT_LEAST_ONE, default=300)
@click.option("--cds-budget-ms", type=_AT_LEAST_ONE, default=500, help="Time for a chart's cards.")
@click.option("--request-log", type=_NEW_FILE, help="File for what clients ask, without values.")
def main(clients_file: Path, cds_budget_ms: int, **options: Any) -> None:
    """Run the demo hospital until it is stopped; its first line says where it answers."""
    options["cds_budget_s"] = cds_budget_ms / 1000
    try:
        settings = SandboxSettings(clients=read_clients(clients_file), **options)
        server = RunningSandbox(settings)
    except (SandboxError, OSError) as error:
        click.echo(f"The demo hospital cannot start: {error}", err=True)
        sys.exit(1)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with server:
        click.echo(f"The demo hospital answers at {server.base_url}/")
        stop.wait()


if __name__ == "__main__":
    main()
