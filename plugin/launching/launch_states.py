"""Launches that wait for their callback: state, binder and PKCE verifier (RFC 9700, 4.7).

Neither the state nor the binder is stored, only their hashes: who reads the database can finish
nobody's launch.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from sqlalchemy import CursorResult, Float, LargeBinary, String, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from plugin.database import Base, Database
from plugin.ehrs import Ehr
from plugin.errors import LaunchDenied
from plugin.launching.vault import Sealed, Vault
from smart_launch.authorization import AuthorizationRequest

# How long a state that is over is remembered, so that the page can say why it does not work.
REMEMBER_SECONDS = 3600.0

DENIALS = {
    "state_unknown": "Every launch begins at /launch; this one's state is not known here.",
    "state_foreign": "A launch must come back from the hospital system that it was sent to; "
    "this one came back from another.",
    "state_expired": "A sign-in must be finished within a few minutes; this one took longer.",
    "state_used": "Every launch can be finished once; this one has been used already.",
    "binder_foreign": "A launch must be finished by the page that began it; another page tried.",
}


def hash_secret(secret: str) -> str:
    """Hash a random secret for storage; unsalted, because it has 256 random bits of its own."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class LaunchState(Base):
    """A launch that has been sent to the authorization server."""

    __tablename__ = "launch_states"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    ehr_id: Mapped[str] = mapped_column(String(64))
    binder_hash: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[float] = mapped_column(Float, index=True)
    used_at: Mapped[float | None] = mapped_column(Float, default=None)


@dataclass(frozen=True)
class PendingLaunch:
    """What the callback needs again from the launch that began it."""

    code_verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    standalone: bool


class StateStore:
    """Keeps the states.

    Parameters
    ----------
    database : Database
    vault : Vault
        Seals the PKCE verifier and the nonce.
    life_seconds : float
        How long a state may wait for its callback.
    clock : callable, optional
        Seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        life_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.database, self.vault = database, vault
        self.life_seconds, self.clock = life_seconds, clock

    def remember(
        self, ehr: Ehr, request: AuthorizationRequest, binder: str, *, standalone: bool
    ) -> None:
        """Keep what the callback will need."""
        state_hash = hash_secret(request.state)
        pending = PendingLaunch(request.code_verifier, request.nonce, standalone)
        sealed = self.vault.seal(json.dumps(asdict(pending)), state_hash, "state")
        row = LaunchState(
            state_hash=state_hash,
            ehr_id=ehr.id,
            binder_hash=hash_secret(binder),
            key_id=sealed.key_id,
            sealed=sealed.data,
            expires_at=self.clock() + self.life_seconds,
        )
        with self.database.session() as session:
            session.add(row)

    def consume(self, ehr: Ehr, state: str, binder: str) -> PendingLaunch:
        """Use a state up: of several callers at the same time, one gets it.

        Parameters
        ----------
        ehr : Ehr
            Whose callback address was called.
        state, binder : str
            From the address, and from the storage of the page that began the launch.

        Raises
        ------
        LaunchDenied
            The state is unknown, of another EHR, expired or used, or the binder is another page's.
        """
        state_hash = hash_secret(state)
        with self.database.session() as session:
            row = session.get(LaunchState, state_hash)
            _check(row, ehr, binder, self.clock())
            assert row is not None  # noqa: S101 - _check has refused it
            self._use_up(session, state_hash)
            sealed = Sealed(row.key_id, row.sealed)
        return PendingLaunch(**json.loads(self.vault.open(sealed, state_hash, "state")))

    def _use_up(self, session: Session, state_hash: str) -> None:
        """Compare and swap in the database: the check before it could be out of date."""
        unused = (LaunchState.state_hash == state_hash, LaunchState.used_at.is_(None))
        change = update(LaunchState).where(*unused).values(used_at=self.clock())
        result = session.execute(change)
        if not isinstance(result, CursorResult) or result.rowcount != 1:
            raise denied("state_used")

    def key_ids(self) -> set[str]:
        """List the vault keys that waiting launches need."""
        with self.database.session() as session:
            waiting = LaunchState.expires_at > self.clock()
            return set(session.scalars(select(LaunchState.key_id).where(waiting).distinct()))

    def purge(self) -> None:
        """Delete states that have been over for a while."""
        with self.database.session() as session:
            over = LaunchState.expires_at < self.clock() - REMEMBER_SECONDS
            session.execute(delete(LaunchState).where(over))


def denied(code: str) -> LaunchDenied:
    """Make the refusal for one of `DENIALS`."""
    return LaunchDenied(DENIALS[code], code=code)


def _check(row: LaunchState | None, ehr: Ehr, binder: str, moment: float) -> None:
    """Refuse a state; the binder comes first, so that nobody else learns anything about it."""
    if row is None:
        raise denied("state_unknown")
    if not hmac.compare_digest(row.binder_hash, hash_secret(binder)):
        raise denied("binder_foreign")
    if row.ehr_id != ehr.id:
        raise denied("state_foreign")
    if row.used_at is not None:
        raise denied("state_used")
    if row.expires_at < moment:
        raise denied("state_expired")
