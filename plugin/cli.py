"""The command `wetread`: a table of sub-commands, each imported only when it is called.

`wetread predict` must not pay for Flask, nor `wetread serve` for ONNX Runtime.
"""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = {
    "demo": "Start the demo hospital with Wetread in it.",
    "serve": "Run the web server and one job worker.",
    "worker": "Run a job worker.",
    "predict": "Read images from files or folders.",
    "models": "List the models.",
    "check": "Check configuration, keys, EHRs, PACS and models.",
    "keys": "Make, list and rotate keys.",
    "train": "Train a model on public images.",
}


class LazyCommands(click.Group):
    """A group whose members live in `plugin.commands.<name>:command`."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one command that was asked for."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"plugin.commands.{cmd_name}").command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the table; the help page imports nothing."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wetread")
def main() -> None:
    """Wetread: preliminary AI reading of chest images. Research and demonstration only."""
