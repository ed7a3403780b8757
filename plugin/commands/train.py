"""`wetread train`: training, in the environment that has what it needs.

Serving installs no TensorFlow, and this package imports nothing of `training`: the work is done by
`python -m training` in a process of its own.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import click

from plugin.web.supervisor import die_with_parent

CHECKOUT = Path(__file__).parents[2]
# What shells make of a process that a signal ended.
SIGNAL_STATUS = 128


@click.command(
    name="train",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("what", metavar="{chest_xray,article}")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(what: str, options: tuple[str, ...]) -> None:
    """Train a model on the public images that docs/data.md describes.

    \b
    wetread train chest_xray --data DIR    the served chest X-ray model
    wetread train article --data DIR       the article's network, repeated; never served
    wetread train chest_xray --help        all options

    It may be interrupted (Ctrl-C): the same command goes on from the last checkpoint.
    """  # noqa: D301  click's mark for lines that stay as they are
    python = training_python(CHECKOUT)
    if python is None:
        raise click.ClickException(
            "training needs TensorFlow, which this environment leaves out; "
            "run `make setup-train` in a checkout of Wetread, then this command again."
        )
    # -P: a folder named "training" where the command is called is not the package.
    raise click.exceptions.Exit(run([str(python), "-P", "-m", "training", what, *options]))


def training_python(checkout: Path) -> Path | None:
    """Find the interpreter that can train: this one, or that of `make setup-train`."""
    if find_spec("keras") is not None:
        return Path(sys.executable)
    python = checkout / ".venv-train" / "bin" / "python"
    return python if python.is_file() else None


def run(arguments: list[str]) -> int:
    """Run a process to its end, passing on the signals that ask for one.

    Returns
    -------
    int
        Its exit status; 128 + n where signal n ended it.
    """
    # A session of its own: Ctrl-C reaches it once, from here, and not from the terminal as well.
    process = subprocess.Popen(arguments, start_new_session=True, preexec_fn=die_with_parent)

    def pass_on(number: int, _: FrameType | None) -> None:
        process.send_signal(number)

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # What is ignored here (nohup, a job in the background) stays ignored.
    heard = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else SIGNAL_STATUS - status
