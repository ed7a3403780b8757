"""The rows of a launch: first a state that waits for its callback, then the open launch itself.

Neither the state, the binder nor the handle is stored, only their hashes: who reads the database
can neither finish nor take over anyone's launch.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import JSON, Float, Integer, LargeBinary, String, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from plugin.database import Base, Database
from plugin.ehrs import Ehr, EhrRegistry
from plugin.errors import EhrUnknown, HandleInvalid, LaunchDenied
from plugin.settings import Settings
from plugin.vault import Sealed, Vault
from smart_launch.context import FhirContextItem, LaunchContext
from smart_launch.scopes import MissingScope

# How long a state that has been used is remembered, so that its second use can be named.
USED_STATE_SECONDS = 3600.0
# The handle's last use is written at most this often: reading must not mean writing.
TOUCH_SECONDS = 15.0


def hash_secret(secret: str) -> str:
    """Hash a random secret for storage; unsalted, because it has 256 bits of its own."""
    return hashlib.sha256(secret.encode()).hexdigest()


class LaunchState(Base):
    """A launch that has been sent to the authorization server and waits for its callback."""

    __tablename__ = "launch_states"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    ehr_id: Mapped[str] = mapped_column(String(64))
    binder_hash: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str] = mapped_column(String(64))
    secrets: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[float] = mapped_column(Float, index=True)
    used_at: Mapped[float | None] = mapped_column(Float, default=None)


class Launch(Base):
    """An open launch: whose chart, which user, what was granted, and the sealed tokens."""

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
    # Tokens: sealed JSON, counted so that two refreshes cannot both write.
    key_id: Mapped[str | None] = mapped_column(String(64), default=None)
    tokens: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    tokens_version: Mapped[int] = mapped_column(Integer, default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(64), default=None)
    lease_until: Mapped[float] = mapped_column(Float, default=0.0)


@dataclass(frozen=True)
class PendingLaunch:
    """What the callback needs again from the launch that began it."""

    ehr: Ehr
    code_verifier: str
    nonce: str


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
        The same user of the same EHR at another launch has the same key.
    missing : tuple of MissingScope
        Scopes that were asked for and not granted, with a sentence each.
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
        Where rows lie, what seals their secrets, and the registry.
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
        self.state_seconds = settings.state_minutes * 60
        self.idle_seconds = settings.handle_idle_minutes * 60
        self.life_seconds = settings.handle_hours * 3600
        self.retention_seconds = settings.retention_days * 86400
