"""A JWT proves one call: its `jti` is accepted once (CDS Hooks 2.0, "Trusting CDS Clients")."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

from sqlalchemy import Float, String, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from plugin.database import Base, Database

# Rows of tokens that are over are deleted at most this often, and only after this long: the clock
# of another machine may be behind.
CLEAN_SECONDS = 60.0
KEPT_SECONDS = 600.0


class CdsCall(Base):
    """One call that was accepted; only its hash is kept, until its token is over."""

    __tablename__ = "cds_calls"

    call_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[float] = mapped_column(Float, index=True)


class AcceptedCalls:
    """Remembers in the database, so that all processes and machines agree.

    Parameters
    ----------
    database : Database
    clock : callable, optional
        Seconds since the epoch.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database, self.clock = database, clock
        self._lock = threading.Lock()
        self._cleaned = float("-inf")

    def accept(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Note a token's `jti`; False if it has been noted before: then it is a replay.

        Parameters
        ----------
        issuer : str
            `iss` of the token: two EHRs may choose the same `jti`.
        expires_at : float
            Until when the token could be sent again, seconds since the epoch.
        """
        if self._is_time_to_clean():
            self.purge()
        call_hash = hashlib.sha256(f"{issuer}\n{jti}".encode("utf-8", "surrogatepass")).hexdigest()
        try:
            with self.database.session() as session:
                session.add(CdsCall(call_hash=call_hash, expires_at=expires_at))
        except IntegrityError:
            return False
        return True

    def purge(self) -> None:
        """Delete what no longer needs to be remembered."""
        with self.database.session() as session:
            over = CdsCall.expires_at < self.clock() - KEPT_SECONDS
            session.execute(delete(CdsCall).where(over))

    def _is_time_to_clean(self) -> bool:
        with self._lock:
            due = self.clock() - self._cleaned > CLEAN_SECONDS
            if due:
                self._cleaned = self.clock()
            return due
