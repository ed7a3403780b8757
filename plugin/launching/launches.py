"""Open launches: whose chart, which user, what was granted, and the sealed tokens.

The handle is not stored, only its hash: who reads the database can take over nobody's page.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    Float,
    Integer,
    LargeBinary,
    String,
    delete,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from plugin.database import Base, Database
from plugin.ehrs import Ehr, EhrRegistry
from plugin.errors import EhrUnknown, HandleInvalid
from plugin.launching.held_tokens import HeldTokens
from plugin.launching.launch_states import hash_secret
from plugin.launching.stored_context import dump_context, load_context
from plugin.launching.vault import Vault
from plugin.settings import Settings
from smart_launch.context import LaunchContext
from smart_launch.id_token import Identity
from smart_launch.launch import CompletedLaunch
from smart_launch.scopes import MissingScope

# The last use of a handle is written at most this often: reading must not mean writing.
TOUCH_SECONDS = 15.0


class Launch(Base):
    """One open launch."""

    __tablename__ = "launches"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    ehr_id: Mapped[str] = mapped_column(String(64))
    issuer: Mapped[str] = mapped_column(String(512))
    handle_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user: Mapped[str | None] = mapped_column(String(512), default=None)
    user_key: Mapped[str | None] = mapped_column(String(128), index=True, default=None)
    context: Mapped[dict[str, Any]] = mapped_column(JSON)
    granted: Mapped[list[str]] = mapped_column(JSON)
    missing: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    created_at: Mapped[float] = mapped_column(Float)
    used_at: Mapped[float] = mapped_column(Float)
    expires_at: Mapped[float] = mapped_column(Float)
    ended_at: Mapped[float | None] = mapped_column(Float, default=None)
    # Tokens are sealed JSON, versioned so that of two renewals only one is written.
    key_id: Mapped[str | None] = mapped_column(String(64), default=None)
    tokens: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    tokens_version: Mapped[int] = mapped_column(Integer, default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(64), default=None)
    lease_until: Mapped[float] = mapped_column(Float, default=0.0)


@dataclass(frozen=True)
class OpenLaunch:
    """A launch that has been completed.

    Attributes
    ----------
    id : str
        Row id; no secret.
    user : str or None
        Absolute `fhirUser`; None when the server named none.
    user_key : str or None
        The same user of the same EHR has the same key at another launch.
    missing : tuple of MissingScope
        Scopes that were asked for and not granted, with a sentence each.
    created_at : float
        Seconds since the epoch.
    ended : bool
        Its page is closed; its jobs may still be at work.
    """

    id: str
    ehr: Ehr
    context: LaunchContext
    user: str | None
    user_key: str | None
    granted: tuple[str, ...]
    missing: tuple[MissingScope, ...]
    created_at: float
    ended: bool


class LaunchStore:
    """Keeps launches in the database.

    Parameters
    ----------
    database, vault, ehrs
        Where the rows lie, what seals their tokens, and the registry.
    settings : Settings
        For the lifetimes.
    clock : callable, optional
        Seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        ehrs: EhrRegistry,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database, self.vault, self.ehrs, self.clock = database, vault, ehrs, clock
        self.idle_seconds = settings.handle_idle_minutes * 60
        self.life_seconds = settings.handle_hours * 3600
        self.retention_seconds = settings.retention_days * 86400

    def open(self, ehr: Ehr, completed: CompletedLaunch) -> tuple[str, str]:
        """Keep a completed launch.

        Returns
        -------
        tuple of str
            The launch's id, and the handle, which is nowhere else from now on.
        """
        launch_id, handle = secrets.token_urlsafe(18), secrets.token_urlsafe(32)
        moment, context = self.clock(), completed.context
        held = HeldTokens.of(completed.tokens, moment)
        sealed = self.vault.seal(held.dump(), launch_id, "tokens")
        row = Launch(
            id=launch_id,
            ehr_id=ehr.id,
            issuer=ehr.issuer,
            handle_hash=hash_secret(handle),
            user=context.fhir_user,
            user_key=_user_key(ehr, completed.identity),
            context=dump_context(context),
            granted=list(completed.granted),
            missing=[asdict(entry) for entry in completed.missing],
            created_at=moment,
            used_at=moment,
            expires_at=moment + self.life_seconds,
            key_id=sealed.key_id,
            tokens=sealed.data,
        )
        with self.database.session() as session:
            session.add(row)
        return launch_id, handle

    def by_handle(self, handle: str) -> OpenLaunch:
        """Find the open launch of a page and note that it is in use.

        Raises
        ------
        HandleInvalid
            Unknown, ended, unused for too long, or too old.
        """
        with self.database.session() as session:
            asked = Launch.handle_hash == hash_secret(handle)
            row = session.scalars(select(Launch).where(asked)).one_or_none()
            if row is None or row.ended_at is not None:
                raise HandleInvalid(
                    "A page works as long as its launch is open; this one's is not."
                )
            moment = self.clock()
            if moment > row.expires_at or moment > row.used_at + self.idle_seconds:
                raise HandleInvalid(
                    "A page that has not been used for a while is closed, to protect the patient.",
                    code="launch_idle",
                )
            if moment > row.used_at + min(TOUCH_SECONDS, self.idle_seconds / 4):
                row.used_at = moment
            return self._read(row)

    def get(self, launch_id: str) -> OpenLaunch:
        """Find a launch by id, ended ones too: its jobs may still be at work.

        Raises
        ------
        HandleInvalid
            The launch has been deleted, or its EHR is no longer registered.
        """
        with self.database.session() as session:
            row = session.get(Launch, launch_id)
            if row is None:
                raise HandleInvalid(
                    "A job needs the launch that asked for it; it has been deleted."
                )
            return self._read(row)

    def newest_open(self, ehr: Ehr) -> OpenLaunch | None:
        """Find an EHR's newest launch whose page is open, for the administrator's check."""
        moment = self.clock()
        is_open = (
            Launch.issuer == ehr.issuer,
            Launch.ended_at.is_(None),
            Launch.expires_at >= moment,
            Launch.used_at >= moment - self.idle_seconds,
            Launch.tokens.is_not(None),
        )
        newest = select(Launch).where(*is_open).order_by(Launch.created_at.desc()).limit(1)
        with self.database.session() as session:
            row = session.scalars(newest).one_or_none()
            return None if row is None else self._read(row)

    def end(self, launch_id: str) -> None:
        """Make the handle useless, now; the tokens stay until `Tokens` has revoked them."""
        still_open = (Launch.id == launch_id, Launch.ended_at.is_(None))
        with self.database.session() as session:
            session.execute(update(Launch).where(*still_open).values(ended_at=self.clock()))

    def over_with_tokens(self) -> tuple[str, ...]:
        """List ids of launches whose page is gone and whose tokens still lie here."""
        moment = self.clock()
        over = or_(
            Launch.ended_at.is_not(None),
            Launch.expires_at < moment,
            Launch.used_at < moment - self.idle_seconds,
        )
        with self.database.session() as session:
            return tuple(session.scalars(select(Launch.id).where(over, Launch.tokens.is_not(None))))

    def key_ids(self) -> set[str]:
        """List the vault keys that stored tokens need."""
        stored = Launch.key_id.is_not(None)
        with self.database.session() as session:
            found = session.scalars(select(Launch.key_id).where(stored).distinct())
            return {key_id for key_id in found if key_id}

    def purge(self) -> None:
        """Delete launches past their retention; their tokens have been revoked before."""
        old = Launch.expires_at < self.clock() - self.retention_seconds
        with self.database.session() as session:
            session.execute(delete(Launch).where(old))

    def _read(self, row: Launch) -> OpenLaunch:
        try:
            ehr = self.ehrs.by_issuer(row.issuer)
        except EhrUnknown as error:
            raise HandleInvalid(
                "A page works as long as its hospital system is registered; it no longer is."
            ) from error
        return OpenLaunch(
            id=row.id,
            ehr=ehr,
            context=load_context(row.context),
            user=row.user,
            user_key=row.user_key,
            granted=tuple(row.granted),
            missing=tuple(MissingScope(**entry) for entry in row.missing),
            created_at=row.created_at,
            ended=row.ended_at is not None,
        )


def _user_key(ehr: Ehr, identity: Identity | None) -> str | None:
    """The same key for the same user of the same EHR; None when the server names no user.

    Issuer and subject of the id_token name a user for good (OpenID Connect Core 5.7).
    """
    if identity is None:
        return None
    named = "\n".join((ehr.issuer, identity.issuer, identity.subject))
    return hashlib.sha256(named.encode()).hexdigest()
