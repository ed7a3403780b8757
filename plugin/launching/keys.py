"""The secret keys, in one JSON file or variable: vault keys and the client's signing keys.

They lie outside database and data folder: a stolen copy of these holds no usable token.
`wetread keys` makes and rotates the file; docs/settings.md says where it goes.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plugin.errors import VaultError
from plugin.launching.vault import VaultKey
from plugin.settings import Settings
from smart_launch.client_keys import KeySet
from smart_launch.errors import RegistrationError


@dataclass(frozen=True)
class SecretKeys:
    """All secret keys.

    Attributes
    ----------
    vault : tuple of VaultKey
        Oldest first; the last one seals.
    signing : KeySet
        Private keys for `private_key_jwt`; the newest of an algorithm signs.
    """

    vault: tuple[VaultKey, ...]
    signing: KeySet

    @classmethod
    def generate(cls) -> SecretKeys:
        """Make a fresh set: one vault key, and one signing key for each algorithm of SMART."""
        return cls((_new_vault_key(),), KeySet.generate())

    @classmethod
    def load(cls, settings: Settings) -> SecretKeys:
        """Read the keys from the variable or the file that the settings name.

        Raises
        ------
        VaultError
            Neither is set, or the content is unusable.
        """
        if settings.secret_keys:
            return cls.parse(settings.secret_keys)
        if settings.secret_key_file is None:
            raise VaultError(
                "secret_key_file (WETREAD_SECRET_KEY_FILE) or WETREAD_SECRET_KEYS must be set; "
                "both are missing",
                next_step="Make a file with `wetread keys new FILE` and name it in the settings.",
            )
        return cls.read(settings.secret_key_file)

    @classmethod
    def read(cls, path: Path) -> SecretKeys:
        """Read a key file.

        Raises
        ------
        VaultError
            It cannot be read, others may read it, or its content is unusable.
        """
        try:
            content, mode = path.read_text("utf-8"), path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            raise VaultError(
                f"secret_key_file (WETREAD_SECRET_KEY_FILE) must be readable; "
                f"got {type(error).__name__}"
            ) from error
        if mode & 0o007:
            raise VaultError(
                f"the key file must be closed to other users; its mode is {mode & 0o777:o}",
                next_step="Run `chmod 600` on the key file.",
            )
        return cls.parse(content)

    @classmethod
    def parse(cls, content: str) -> SecretKeys:
        """Read the keys from JSON.

        Raises
        ------
        VaultError
            The content is not what `wetread keys new` makes.
        """
        try:
            table = json.loads(content)
            vault = tuple(_read_vault_key(entry) for entry in table["vault"])
            signing = KeySet.load(json.dumps(table["signing"]))
        except (ValueError, KeyError, TypeError, RegistrationError) as error:
            raise VaultError(
                "the secret keys must be the JSON that `wetread keys new` makes; got something else"
            ) from error
        return cls(vault, signing)

    def dump(self) -> str:
        """Give the JSON that `parse` reads; secret."""
        vault = [
            {"id": key.id, "secret": base64.b64encode(key.secret).decode()} for key in self.vault
        ]
        return json.dumps({"vault": vault, "signing": json.loads(self.signing.dump())}, indent=2)

    def write(self, path: Path) -> None:
        """Write the key file, mode 0600, in one step: a crash leaves the old one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".keys-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(self.dump())
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)

    def with_new_vault_key(self) -> SecretKeys:
        """Add a vault key that seals from now on; the others still open."""
        return replace(self, vault=(*self.vault, _new_vault_key()))

    def published(self) -> SecretKeys:
        """Publish a second signing key per algorithm, which does not sign yet.

        Raises
        ------
        VaultError
            A second one is there already.
        """
        signing = self.signing
        for algorithm, keys in self._by_algorithm().items():
            if len(keys) > 1:
                raise VaultError(
                    f"one {algorithm} key must be there before another is published; "
                    f"there are {len(keys)}",
                    next_step="Go on with `wetread keys rotate sign`, later with `retire`.",
                )
            signing = signing.with_added(algorithm)
        return replace(self, signing=signing)

    def signed_by_newest(self) -> SecretKeys:
        """Let the published key of each algorithm sign from now on."""
        signing = self.signing
        for algorithm, keys in self._by_algorithm().items():
            if len(keys) < 2:
                raise VaultError(
                    f"a second {algorithm} key must be published before it signs; there is none",
                    next_step="Begin with `wetread keys rotate publish`.",
                )
            signing = signing.promoted(keys[-1])
        return replace(self, signing=signing)

    def without_retired(self) -> SecretKeys:
        """Keep only the keys that sign and seal."""
        signing = self.signing
        for keys in self._by_algorithm().values():
            for kid in keys[1:]:
                signing = signing.without(kid)
        return replace(self, vault=self.vault[-1:], signing=signing)

    def _by_algorithm(self) -> dict[str, list[str]]:
        """List kids per algorithm; the first one signs."""
        found: dict[str, list[str]] = {}
        for key in self.signing.keys:
            found.setdefault(key.algorithm, []).append(key.kid)
        return found


def _new_vault_key() -> VaultKey:
    return VaultKey(secrets.token_hex(8), secrets.token_bytes(32))


def _read_vault_key(entry: Mapping[str, Any]) -> VaultKey:
    return VaultKey(str(entry["id"]), base64.b64decode(entry["secret"], validate=True))
