"""Sealing of tokens in the database: AES-GCM, keys from outside database and data folder.

The row's id and the purpose are associated data, so that a value moved to another row or column
does not open. Each value carries the id of its key: keys can be rotated without re-sealing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import LargeBinary, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from plugin.database import Base, Database
from plugin.errors import VaultError

NONCE_BYTES = 12
CHECK_TEXT = "wetread vault check"


@dataclass(frozen=True)
class VaultKey:
    """One secret key.

    Attributes
    ----------
    id : str
        Stored beside each value that it seals.
    secret : bytes
        32 bytes (AES-256).
    """

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True)
class Sealed:
    """A sealed text and the id of the key that opens it."""

    key_id: str
    data: bytes


class VaultCheck(Base):
    """One known text per key: tells at start whether the keys given are the right ones."""

    __tablename__ = "vault_checks"

    key_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class Vault:
    """Seals and opens texts.

    Parameters
    ----------
    keys : iterable of VaultKey
        The last one seals; all of them open.

    Raises
    ------
    VaultError
        No key, two keys of one id, or a key that is not 32 bytes long.
    """

    def __init__(self, keys: Iterable[VaultKey]) -> None:
        keys = tuple(keys)
        if not keys:
            raise VaultError("at least one secret key must be given; got none")
        if len({key.id for key in keys}) < len(keys):
            raise VaultError("secret keys must have different ids; got one twice")
        if any(len(key.secret) != 32 for key in keys):
            raise VaultError("a secret key must be 32 bytes long; got another length")
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}
        self._current = keys[-1].id

    def seal(self, plain: str, row_id: str, purpose: str) -> Sealed:
        """Seal a text for one row and purpose with the current key."""
        return Sealed(self._current, self._seal(self._current, plain, row_id, purpose))

    def open(self, sealed: Sealed, row_id: str, purpose: str) -> str:
        """Open a sealed text.

        Raises
        ------
        VaultError
            Its key is not given, or the text was sealed with another key, row or purpose.
        """
        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise VaultError("the key of every stored value must be given; one is missing")
        nonce, data = sealed.data[:NONCE_BYTES], sealed.data[NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, data, _bound_to(row_id, purpose)).decode()
        except InvalidTag as error:
            raise VaultError("a stored value must open with its key; it does not") from error

    def check(self, database: Database, used: Iterable[str]) -> None:
        """Compare the keys with the database; called once at start.

        Parameters
        ----------
        database : Database
            Where the check texts lie.
        used : iterable of str
            Ids of the keys that stored values still need.

        Raises
        ------
        VaultError
            A key that is still needed is missing, or a key given is not the one of that id.
        """
        with database.session() as session:
            rows = list(session.scalars(select(VaultCheck)))
            for row in rows:
                if row.key_id in self._ciphers:
                    self.open(Sealed(row.key_id, row.data), row.key_id, "check")
            unknown = {row.key_id for row in rows} - set(self._ciphers)
            if unknown & set(used) or (rows and len(unknown) == len(rows)):
                raise VaultError("the secret keys must be those of this database; they are others")
            # What is left over are retired keys that nothing needs any more.
            session.execute(delete(VaultCheck).where(VaultCheck.key_id.in_(unknown)))
            for key_id in self._ciphers:
                self._remember(session, key_id)

    def _remember(self, session: Session, key_id: str) -> None:
        if session.get(VaultCheck, key_id) is None:
            data = self._seal(key_id, CHECK_TEXT, key_id, "check")
            session.merge(VaultCheck(key_id=key_id, data=data))

    def _seal(self, key_id: str, plain: str, row_id: str, purpose: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = self._ciphers[key_id]
        return nonce + cipher.encrypt(nonce, plain.encode(), _bound_to(row_id, purpose))


def _bound_to(row_id: str, purpose: str) -> bytes:
    return f"{purpose}\n{row_id}".encode()
