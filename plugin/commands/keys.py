"""`wetread keys`: make, list and rotate the secret keys."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from plugin.launching.keys import SecretKeys

STEPS = {
    "vault": "a new key seals tokens from now on; the old ones still open",
    "publish": "a second signing key per algorithm is served, and does not sign yet",
    "sign": "the published signing keys sign from now on; the former ones are still served",
    "retire": "keys that neither seal, open nor sign any more are deleted",
}
# EHRs remember the served keys for so long.
PAUSE_S = 3600
NEXT = {
    "publish": (
        "Then wait an hour, in which every EHR fetches the new keys (one that was given them as a "
        "file needs the new file), and go on with `wetread keys rotate sign`."
    ),
    "sign": "Then wait an hour, and go on with `wetread keys rotate retire`.",
}

file_argument = click.argument(
    "file", required=False, type=click.Path(dir_okay=False, path_type=Path)
)


@click.group(name="keys")
def command() -> None:
    """Make, list and rotate the secret keys (FILE: by default the configured one)."""


@command.command()
@file_argument
def new(file: Path | None) -> None:
    """Make a key file; an existing one is never overwritten."""
    from plugin.launching.keys import SecretKeys

    path = file or _configured_file()
    if os.path.lexists(path):
        raise click.ClickException("the key file must not exist yet; rotate it instead")
    with _refusals():
        SecretKeys.generate().write(path)
    click.echo(f"Made {path}. Keep a copy in a safe place: without it stored sign-ins are lost.")


@command.command(name="list")
@file_argument
def list_keys(file: Path | None) -> None:
    """List the keys by id and use; nothing secret is shown."""
    keys = _read(file or _configured_file())
    for place, key in enumerate(keys.vault, 1):
        use = "seals and opens" if place == len(keys.vault) else "opens"
        click.echo(f"vault    AES-256  {key.id}  {use}")
    for algorithm, kids in keys.by_algorithm().items():
        for kid in kids:
            use = "served, will sign" if kid in keys.waiting else "served, has signed"
            click.echo(f"signing  {algorithm}    {kid}  {'signs' if kid == kids[0] else use}")


@command.command()
@click.argument("step", type=click.Choice(tuple(STEPS)))
@file_argument
@click.option("--now", is_flag=True, help="Sign within the hour: every EHR has the new keys.")
def rotate(step: str, file: Path | None, *, now: bool) -> None:
    """Take one step of a rotation: vault, or publish, an hour later sign, an hour later retire.

    EHRs remember the served keys for a while: hence the hours. Restart `wetread serve` after each
    step. A step out of order, or a key that would sign within the hour, is refused; a vault key
    that stored sign-ins need is never retired.
    """
    if now and step != "sign":
        raise click.UsageError("--now is for `sign`; no other step waits")
    path = file or _configured_file()
    keys = _read(path)
    steps: dict[str, Callable[[], SecretKeys]] = {
        "vault": keys.with_new_vault_key,
        "publish": keys.published,
        "sign": lambda: keys.signed_by_newest(pause_s=0 if now else PAUSE_S),
        "retire": lambda: keys.without_retired(_needed(keys)),
    }
    with _refusals():
        changed = steps[step]()
        changed.write(path)
    click.echo(f"Done: {STEPS[step]}. Restart `wetread serve` now.")
    if step in NEXT:
        click.echo(NEXT[step])
    if step == "retire" and len(changed.vault) > 1:
        click.echo(f"{len(changed.vault) - 1} vault key(s) stay: stored sign-ins may need them.")


def _needed(keys: SecretKeys) -> set[str]:
    """Ask the configured database which vault keys it needs; all, if none is configured."""
    from plugin.errors import SettingsError
    from plugin.services import vault_keys_needed
    from plugin.settings import load_settings

    if len(keys.vault) == 1:
        return set()
    try:
        settings = load_settings()
    except SettingsError as error:
        click.echo(f"The database cannot be asked about vault keys: {error.text}.", err=True)
        return {key.id for key in keys.vault}
    return vault_keys_needed(settings, keys)


def _configured_file() -> Path:
    from plugin.errors import SettingsError
    from plugin.settings import load_settings

    reason = "secret_key_file (WETREAD_SECRET_KEY_FILE) must be set; it is missing"
    try:
        path = load_settings().secret_key_file
    except SettingsError as error:
        path, reason = None, error.text
    if path is None:
        raise click.ClickException(
            f"{reason}\nGive FILE, such as /etc/wetread/keys.json, or correct the settings."
        )
    return path


def _read(path: Path) -> SecretKeys:
    from plugin.launching.keys import SecretKeys

    with _refusals():
        return SecretKeys.read(path)


@contextmanager
def _refusals() -> Iterator[None]:
    """Say in words what the program refuses."""
    from plugin.errors import PluginError

    try:
        yield
    except PluginError as error:
        raise click.ClickException(f"{error.text}\n{error.next_step}") from error
