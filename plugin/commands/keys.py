"""`wetread keys`: make, list and rotate the secret keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from plugin.launching.keys import SecretKeys

STEPS = {
    "vault": "a new key seals tokens from now on; the old ones still open",
    "publish": "a second signing key per algorithm is served, and does not sign yet",
    "sign": "the published signing keys sign from now on; the former ones are still served",
    "retire": "keys that neither seal nor sign any more are deleted",
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
    if path.exists():
        raise click.ClickException("the key file must not exist yet; rotate it instead")
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
    signing: set[str] = set()
    for one in keys.signing.keys:
        use = "served" if one.algorithm in signing else "signs"
        signing.add(one.algorithm)
        click.echo(f"signing  {one.algorithm}    {one.kid}  {use}")


@command.command()
@click.argument("step", type=click.Choice(tuple(STEPS)))
@file_argument
def rotate(step: str, file: Path | None) -> None:
    """Take one step of a rotation: vault, or publish, an hour later sign, an hour later retire.

    EHRs remember the served keys for a while: hence the hours. Restart `wetread serve` after each
    step.
    """
    from plugin.errors import VaultError

    path = file or _configured_file()
    keys = _read(path)
    steps = {
        "vault": keys.with_new_vault_key,
        "publish": keys.published,
        "sign": keys.signed_by_newest,
        "retire": keys.without_retired,
    }
    try:
        steps[step]().write(path)
    except VaultError as error:
        raise click.ClickException(f"{error.text}\n{error.next_step}") from error
    click.echo(f"Done: {STEPS[step]}. Restart `wetread serve` now.")


def _configured_file() -> Path:
    from plugin.errors import SettingsError
    from plugin.settings import load_settings

    try:
        path = load_settings().secret_key_file
    except SettingsError as error:
        raise click.ClickException(error.text) from error
    if path is None:
        raise click.ClickException(
            "secret_key_file (WETREAD_SECRET_KEY_FILE) must be set, or FILE given"
        )
    return path


def _read(path: Path) -> SecretKeys:
    from plugin.errors import VaultError
    from plugin.launching.keys import SecretKeys

    try:
        return SecretKeys.read(path)
    except VaultError as error:
        raise click.ClickException(f"{error.text}\n{error.next_step}") from error
