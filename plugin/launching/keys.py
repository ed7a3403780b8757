"""The secret keys, in one JSON file or variable: vault keys and the client's signing keys.

They lie outside database and data folder: a stolen copy of these holds no usable token.
`wetread keys` makes and rotates the file; docs/settings.md says where it goes.
"""

from __future__ import annotations

import base64
import json
import math
import os
import secrets
import tempfile
import time
from collections.abc import Collection, Mapping
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
        Private keys for `private_key_jwt`; the first of an algorithm signs.
    waiting : frozenset of str
        Kids of published keys that have never signed; every other that does not sign is a former
        one. Without this a rotation could not tell a key's future from its past.
    published_s : int or None
        When those that wait were published, in seconds since 1970.
    """

    vault: tuple[VaultKey, ...]
    signing: KeySet
    waiting: frozenset[str] = frozenset()
    published_s: int | None = None

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
            published = table.get("published_s")
            keys = cls(
                vault,
                signing,
                frozenset(map(str, table.get("waiting", ()))),
                None if published is None else int(published),
            )
            if not keys.waiting <= {
                kid for kids in keys.by_algorithm().values() for kid in kids[1:]
            }:
                raise ValueError("a waiting key must be there, and must not sign")
        except (ValueError, KeyError, TypeError, RegistrationError) as error:
            raise VaultError(
                "the secret keys must be the JSON that `wetread keys new` makes; got something else"
            ) from error
        return keys

    def dump(self) -> str:
        """Give the JSON that `parse` reads; secret."""
        vault = [
            {"id": key.id, "secret": base64.b64encode(key.secret).decode()} for key in self.vault
        ]
        signing = json.loads(self.signing.dump())
        table = {"vault": vault, "signing": signing, "waiting": sorted(self.waiting)}
        if self.published_s is not None:
            table["published_s"] = self.published_s
        return json.dumps(table, indent=2)

    def write(self, path: Path) -> None:
        """Write the key file in one step: a crash leaves the old one.

        A new file has mode 0600; one that is there keeps its owner, group and mode, so that who
        rotates need not be who serves.

        Raises
        ------
        VaultError
            It cannot be written there.
        """
        place = path.resolve()
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=place.parent, prefix=".keys-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                if place.exists():
                    _keep_access(handle, place.stat())
                file.write(self.dump())
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(place)
        except OSError as error:
            raise VaultError(
                f"the key file must be writable; got {str(path)!r} ({error.strerror})",
                next_step="Name a file in a folder that you may write.",
            ) from error

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
        signing, waiting = self.signing, set[str]()
        for algorithm, kids in self.by_algorithm().items():
            if len(kids) > 1:
                step = "sign" if self.waiting else "retire"
                raise VaultError(
                    f"one {algorithm} key must be there before another is published; "
                    f"there are {len(kids)}",
                    next_step=f"Go on with `wetread keys rotate {step}`.",
                )
            signing = signing.with_added(algorithm)
            waiting.add(signing.keys[-1].kid)
        now_s = int(time.time())
        return replace(self, signing=signing, waiting=frozenset(waiting), published_s=now_s)

    def signed_by_newest(self, *, pause_s: float = 0.0) -> SecretKeys:
        """Let the published keys sign from now on; those that have signed never do so again.

        Parameters
        ----------
        pause_s : float
            So long they must have been published; what an earlier version published has no time.

        Raises
        ------
        VaultError
            No published key waits, or not long enough.
        """
        if not self.waiting:
            raise VaultError(
                "a published key that has never signed must be there; there is none",
                next_step="Begin with `wetread keys rotate publish`.",
            )
        lacking_s = (self.published_s or 0) + pause_s - time.time()
        if lacking_s > 0:
            raise VaultError(
                f"a key must be published for {pause_s / 60:.0f} minutes before it signs; "
                f"{math.ceil(lacking_s / 60)} are left",
                next_step="Wait: an EHR that has not fetched the new keys refuses every sign-in. "
                "Where each has them already, add --now.",
            )
        signing = self.signing
        for key in self.signing.keys:
            if key.kid in self.waiting:
                signing = signing.promoted(key.kid)
        return replace(self, signing=signing, waiting=frozenset(), published_s=None)

    def without_retired(self, needed: Collection[str] = ()) -> SecretKeys:
        """Drop former keys: those that have signed, and vault keys that nothing stored needs.

        Parameters
        ----------
        needed : collection of str
            Ids of vault keys that stored values need.

        Raises
        ------
        VaultError
            There is none to drop.
        """
        former = [key for key in self.vault[:-1] if key.id not in needed]
        signing = self.signing
        for kids in self.by_algorithm().values():
            for kid in kids[1:]:
                signing = signing if kid in self.waiting else signing.without(kid)
        if not former and signing == self.signing:
            raise self._nothing_to_retire()
        vault = tuple(key for key in self.vault if key not in former)
        return replace(self, vault=vault, signing=signing)

    def _nothing_to_retire(self) -> VaultError:
        if len(self.vault) > 1:
            return VaultError(
                "a former vault key must not be needed any more; stored sign-ins may need it",
                next_step="Restart `wetread serve`; retire when the launches open then are over.",
            )
        if self.waiting:
            step = "Go on with `wetread keys rotate sign`."
        else:
            step = "Begin with `wetread keys rotate vault` or `wetread keys rotate publish`."
        return VaultError("a former key must be there to be retired; there is none", next_step=step)

    def by_algorithm(self) -> dict[str, list[str]]:
        """List kids per algorithm; the first one signs."""
        found: dict[str, list[str]] = {}
        for key in self.signing.keys:
            found.setdefault(key.algorithm, []).append(key.kid)
        return found


def _keep_access(handle: int, former: os.stat_result) -> None:
    if (former.st_uid, former.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(handle, former.st_uid, former.st_gid)
    os.fchmod(handle, former.st_mode & 0o660)


def _new_vault_key() -> VaultKey:
    return VaultKey(secrets.token_hex(8), secrets.token_bytes(32))


def _read_vault_key(entry: Mapping[str, Any]) -> VaultKey:
    return VaultKey(str(entry["id"]), base64.b64decode(entry["secret"], validate=True))
