"""The user's tokens: sealed in the launch's row, renewed by one caller at a time.

Renewal takes a lease: a compare-and-swap on two columns of the row, committed before anything is
sent, so that no database lock is held across HTTP (SQLAlchemy drops FOR UPDATE on SQLite).

How a second caller waits: while the old access token lives it is handed out at once, without
waiting. When it has run out, the second caller looks at the row again every `POLL_SECONDS` until
the first one has written the new tokens, or its lease has run out (it died): then the second
caller renews. It holds neither lock nor connection while it waits, and never longer than a lease.

Nothing but the token request runs under the lease, which lasts twice as long as that may take: a
server that rotates revokes everything when a second caller sends the same refresh token.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, CursorResult, update

from plugin.database import Database
from plugin.errors import HandleInvalid, LaunchExpired
from plugin.launching.held_tokens import HeldTokens
from plugin.launching.launches import Launch, LaunchStore
from plugin.launching.vault import Sealed
from smart_launch.client_keys import KeySet
from smart_launch.configuration_cache import ConfigurationCache
from smart_launch.discovery import SmartConfiguration
from smart_launch.errors import SmartError, TokenRejected
from smart_launch.http import Http
from smart_launch.launch import refresh, revoke
from smart_launch.registration import ClientRegistration

# A token is renewed when it has less than this left, or a quarter of its life if that is less.
MARGIN_SECONDS = 60.0
POLL_SECONDS = 0.1

log = logging.getLogger("wetread.tokens")


@dataclass(frozen=True)
class TokenRow:
    """The tokens of a row, and which version of them this is."""

    held: HeldTokens
    version: int


class Tokens:
    """Gives out, renews and revokes the access tokens of launches; in web process and worker.

    Parameters
    ----------
    store : LaunchStore
    http : Http
        For requests with tokens; its limits say how long one may take.
    configurations : ConfigurationCache
    keys : KeySet or None
        For EHRs with `private_key`.
    jwks_url : str
        Wetread's own.
    has_jobs : callable
        Tells whether a launch, by id, still has unfinished jobs.
    """

    def __init__(
        self,
        store: LaunchStore,
        http: Http,
        configurations: ConfigurationCache,
        keys: KeySet | None,
        jwks_url: str,
        has_jobs: Callable[[str], bool],
    ) -> None:
        self.store, self.http, self.configurations = store, http, configurations
        self.keys, self.jwks_url, self.has_jobs = keys, jwks_url, has_jobs
        self.database: Database = store.database
        limits = http.limits
        self.lease_s = 2 * (limits.connect_s + limits.read_s + limits.total_s)

    def access_token(self, launch_id: str, *, rejected: str | None = None) -> str:
        """Give an access token that is valid for a while yet; renew it when it is not.

        Parameters
        ----------
        launch_id : str
        rejected : str, optional
            The access token that a server has just answered 401 to: it is not given again.

        Raises
        ------
        LaunchExpired
            It has run out and cannot be renewed; only the user's next launch helps.
        SmartError
            The authorization server did not answer; trying again later may help.
        """
        while True:
            row = self._read(launch_id)
            held, moment = row.held, self.store.clock()
            usable = held.access != rejected and held.is_usable(moment)
            margin = min(MARGIN_SECONDS, held.life_s / 4)
            if usable and (held.refresh is None or held.is_usable(moment, margin)):
                return held.access
            if held.refresh is None:
                raise LaunchExpired("A sign-in lasts for a limited time; this one is over.")
            configuration = self._configuration(launch_id, usable=usable)
            if configuration is None:
                return held.access
            owner = self._take_lease(launch_id, row.version)
            if owner:
                return self._renew(launch_id, row, owner, configuration, usable=usable)
            if usable:
                return held.access
            time.sleep(POLL_SECONDS)

    def end(self, launch_id: str) -> None:
        """End the launch: the handle is dead at once, the tokens as soon as its jobs are done."""
        self.store.end(launch_id)
        self.revoke(launch_id)

    def revoke_what_is_over(self) -> None:
        """Revoke the tokens of launches whose page is gone and whose jobs are done."""
        for launch_id in self.store.over_with_tokens():
            self.revoke(launch_id)

    def revoke(self, launch_id: str) -> None:
        """Forget the launch's tokens and tell the authorization server, unless a job needs them."""
        if self.has_jobs(launch_id):
            return
        try:
            row = self._read(launch_id)
            registration = self._registration(launch_id)
        except (LaunchExpired, HandleInvalid):
            self._swap(launch_id, key_id=None, tokens=None)
            return
        unchanged = Launch.tokens_version == row.version
        if not self._swap(launch_id, unchanged, key_id=None, tokens=None):
            return
        try:
            configuration = self.configurations.get(registration.issuer)
            self._revoke_all(registration, configuration, row.held)
        except SmartError as error:
            # They are gone from here, and run out by themselves there.
            log.warning("revocation_failed", extra={"launch": launch_id, "code": error.code})

    def revoke_unopened(
        self, registration: ClientRegistration, configuration: SmartConfiguration, held: HeldTokens
    ) -> None:
        """Revoke tokens of a launch that was refused after they had been given."""
        try:
            self._revoke_all(registration, configuration, held)
        except SmartError as error:
            log.warning("revocation_failed", extra={"code": error.code})

    def _configuration(self, launch_id: str, *, usable: bool) -> SmartConfiguration | None:
        """Find where to renew; None when that fails and the token at hand still works."""
        try:
            return self.configurations.get(self.store.get(launch_id).ehr.issuer)
        except SmartError as error:
            log.warning("refresh_failed", extra={"launch": launch_id, "code": error.code})
            if usable:
                return None
            raise

    def _renew(
        self,
        launch_id: str,
        row: TokenRow,
        owner: str,
        configuration: SmartConfiguration,
        *,
        usable: bool,
    ) -> str:
        """Renew under the lease; a token that still works is good enough when that fails."""
        try:
            renewed = self._ask(launch_id, row.held, configuration)
        except SmartError as error:
            log.warning("refresh_failed", extra={"launch": launch_id, "code": error.code})
            refused = isinstance(error, TokenRejected) and not error.retryable
            kept = replace(row.held, refresh=None) if refused else row.held
            self._write(launch_id, row.version, owner, kept)
            if usable:
                return row.held.access
            if refused:
                raise LaunchExpired(
                    "A sign-in is renewed by the hospital system; it has refused this one."
                ) from error
            raise
        if self._write(launch_id, row.version, owner, renewed):
            return renewed.access
        # The lease ran out and another caller renewed meanwhile: its tokens are the ones.
        return self.access_token(launch_id)

    def _ask(
        self, launch_id: str, held: HeldTokens, configuration: SmartConfiguration
    ) -> HeldTokens:
        launch = self.store.get(launch_id)
        registration = launch.ehr.registration(self.jwks_url)
        response = refresh(
            self.http,
            registration,
            configuration,
            refresh_token=held.refresh or "",
            granted=launch.granted,
            patient=launch.context.patient,
            keys=self.keys,
        )
        return HeldTokens.of(response, self.store.clock())

    def _revoke_all(
        self, registration: ClientRegistration, configuration: SmartConfiguration, held: HeldTokens
    ) -> None:
        """Refresh token first: many servers end the whole grant with it (RFC 7009 2.1)."""
        for token, hint in ((held.refresh, "refresh_token"), (held.access, "access_token")):
            if token:
                revoke(
                    self.http,
                    registration,
                    configuration,
                    token=token,
                    token_type_hint=hint,
                    keys=self.keys,
                )

    def _registration(self, launch_id: str) -> ClientRegistration:
        return self.store.get(launch_id).ehr.registration(self.jwks_url)

    # The row

    def _read(self, launch_id: str) -> TokenRow:
        with self.database.session() as session:
            row = session.get(Launch, launch_id)
            if row is None or row.tokens is None or row.key_id is None:
                raise LaunchExpired("A sign-in ends with its page; this one has ended.")
            sealed, version = Sealed(row.key_id, row.tokens), row.tokens_version
        text = self.store.vault.open(sealed, launch_id, "tokens")
        return TokenRow(HeldTokens.parse(text), version)

    def _take_lease(self, launch_id: str, version: int) -> str | None:
        moment, owner = self.store.clock(), secrets.token_urlsafe(12)
        free = (Launch.tokens_version == version, Launch.lease_until < moment)
        taken = self._swap(launch_id, *free, lease_owner=owner, lease_until=moment + self.lease_s)
        return owner if taken else None

    def _write(self, launch_id: str, version: int, owner: str, held: HeldTokens) -> bool:
        """Store the tokens and give the lease back, if it is still ours."""
        sealed = self.store.vault.seal(held.dump(), launch_id, "tokens")
        mine = (
            Launch.tokens_version == version,
            Launch.lease_owner == owner,
            Launch.tokens.is_not(None),
        )
        return self._swap(
            launch_id,
            *mine,
            key_id=sealed.key_id,
            tokens=sealed.data,
            tokens_version=version + 1,
            lease_owner=None,
            lease_until=0.0,
        )

    def _swap(self, launch_id: str, *conditions: ColumnElement[bool], **values: object) -> bool:
        """Change the row if the conditions hold; tell whether they did."""
        change = update(Launch).where(Launch.id == launch_id, *conditions).values(**values)
        with self.database.session() as session:
            result = session.execute(change)
        return isinstance(result, CursorResult) and result.rowcount == 1
