"""`wetread demo`: the demo hospital with Wetread in it, or one whole reading without a browser."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from plugin.demo.files import DemoChoices
    from plugin.demo.processes import RunningDemo

HOSPITAL_PORT = 8080
PLUGIN_PORT = 8081


@click.command(name="demo")
@click.option("--once", is_flag=True, help="Start all on free ports, do one whole reading, stop.")
@click.option("--json", "as_json", is_flag=True, help="With --once: print JSON.")
@click.option(
    "--fhir",
    metavar="URL",
    envvar="WETREAD_DEMO_FHIR",
    show_envvar=True,
    help="Put the hospital in front of this FHIR server. Each start is a hospital of its own: "
    "reading the same study again leaves one more report there.",
)
@click.option(
    "--dicomweb",
    metavar="URL",
    envvar="WETREAD_DEMO_DICOMWEB",
    show_envvar=True,
    help="Put the hospital in front of this PACS. Give an address with a password in the variable: "
    "others on this machine can see command lines.",
)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Turn this folder of X-rays (DICOM, PNG, JPEG) into patients.",
)
@click.option(
    "--write",
    type=click.Choice(["transaction-put", "put", "create", "none"]),
    default="transaction-put",
    show_default=True,
    help="How reports are written.",
)
@click.option("--popup", is_flag=True, help="The hospital refuses frames; Wetread opens a window.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything in this empty folder instead of a temporary one.",
)
def command(
    once: bool,
    as_json: bool,
    fhir: str | None,
    dicomweb: str | None,
    images: Path | None,
    write: str,
    popup: bool,
    data: Path | None,
) -> None:
    """Start the demo hospital with Wetread in it."""
    from plugin.demo.files import DemoChoices

    if once and write == "none":
        raise click.UsageError("--once reads the report back; with --write none there is none")
    if as_json and not once:
        raise click.UsageError("--json prints the result of one reading; it needs --once")
    _never_by_proxy()
    _stop_when_told()
    with ExitStack() as stack:
        choices = DemoChoices(
            *_claimed_ports(stack, once=once),
            fhir=fhir,
            dicomweb=dicomweb,
            images=images.resolve() if images else None,
            write=write,
            authorize="popup" if popup else "frame",
            refuse_frames=popup,
        )
        folder = data or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="wetread-demo-"))
        )
        _run(stack, choices, folder.resolve(), once=once, as_json=as_json)


def _claimed_ports(stack: ExitStack, *, once: bool) -> tuple[int, int]:
    """Claim the ports of the hospital and of Wetread until the demo ends."""
    from plugin.demo.files import HOSPITAL_HOST, PLUGIN_HOST, claimed_port

    hospital = claimed_port(HOSPITAL_HOST, 0 if once else HOSPITAL_PORT)
    plugin = claimed_port(PLUGIN_HOST, 0 if once else PLUGIN_PORT)
    return stack.enter_context(hospital), stack.enter_context(plugin)


def _stop_when_told() -> None:
    """Leave in order, stopping both sides, when somebody ends this process politely."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))


def _never_by_proxy() -> None:
    """Both sides answer on this machine: no proxy of the environment can reach them."""
    for name in ("no_proxy", "NO_PROXY"):
        known = os.environ.get(name)
        os.environ[name] = ",".join(filter(None, (known, "localhost,127.0.0.1")))


def _run(
    stack: ExitStack, choices: DemoChoices, folder: Path, *, once: bool, as_json: bool
) -> None:
    from rich.console import Console

    from plugin.demo.processes import running_demo
    from plugin.errors import PluginError
    from smart_launch.errors import SmartError

    console = Console(stderr=True)
    try:
        with console.status("Starting the demo hospital and Wetread ..."):
            demo = stack.enter_context(running_demo(choices, folder))
        if once:
            _read_once(demo, as_json=as_json)
        else:
            _stay(demo)
    except (PluginError, SmartError) as error:
        raise click.ClickException(str(error)) from error


def _read_once(demo: RunningDemo, *, as_json: bool) -> None:
    from plugin.demo.drive import Clinician

    outcome = Clinician(demo.choices).read_once()
    if as_json:
        click.echo(json.dumps(asdict(outcome)))
        return
    probability = outcome.probability
    said = (
        "cannot read: " + " ".join(outcome.reasons) if probability is None else f"{probability:.3f}"
    )
    click.echo(f"Covid-19 probability   {said}")
    click.echo(f"Report in the record   {outcome.report}, {outcome.observation}")
    for step, spent in outcome.timings_ms.items():
        click.echo(f"  {step:<20} {spent:8.0f} ms")


def _stay(demo: RunningDemo) -> None:
    """Print the address and wait for Ctrl-C, or for one of the two sides to end."""
    click.echo(f"\n  Clinical viewer   {demo.choices.hospital_url}\n")
    click.echo("  Open the chart of CLARK, Dan, open his chest X-ray and click AI diagnosis.")
    click.echo("  A demo hospital with no real patients; not a medical device. Ctrl-C stops it.")
    try:
        while demo.hospital.poll() is None and demo.plugin.poll() is None:
            time.sleep(0.5)
    except KeyboardInterrupt:
        click.echo("\nStopping ...")
        return
    from plugin.demo.processes import tail

    side = "hospital" if demo.hospital.poll() is not None else "wetread"
    raise click.ClickException(f"the {side} has ended:\n{tail(demo.folder / f'{side}.log')}")
