"""Tokens for reading without a user: one for each EHR, in memory only.

They are as good as a password to every chart of an EHR, and a new one is asked for within a
second: so they are written nowhere (SMART App Launch 2.2.0, backend-services.html).
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from plugin.ehrs import Ehr, EhrRegistry
from plugin.errors import PluginError
from plugin.launching.held_tokens import HeldTokens
from smart_launch.backend import request_backend_token
from smart_launch.client_keys import KeySet
from smart_launch.configuration_cache import ConfigurationCache
from smart_launch.errors import SmartError
from smart_launch.http import Http
from smart_launch.registration import ClientRegistration
from smart_launch.scopes import MissingScope, missing_scopes

# A token is replaced when it has less than this left, or a quarter of its life if that is less.
MARGIN_SECONDS = 60.0


class UnattendedDenied(PluginError):  # noqa: N818 - named as the event
    """The EHR does not let Wetread read without a user."""

    code = "unattended_denied"
    title = "Wetread may not read here without a user"
    next_step = "Register Wetread as a backend service at this EHR and set backend_client_id."
    status = 403


@dataclass(frozen=True)
class BackendToken:
    """An EHR's token for reading without a user.

    Attributes
    ----------
    held : HeldTokens
        Without a refresh token.
    granted : tuple of str
        Of what was asked for.
    missing : tuple of MissingScope
        Asked for and not granted, with a sentence each.
    """

    held: HeldTokens
    granted: tuple[str, ...]
    missing: tuple[MissingScope, ...]


class BackendTokens:
    """Gives out backend tokens; safe to share between threads.

    Parameters
    ----------
    ehrs : EhrRegistry
    http : Http
        For the token requests.
    configurations : ConfigurationCache
    keys : KeySet or None
        Our signing keys.
    jwks_url : str
        Where their public half is served.
    clock : callable, optional
        Seconds since the epoch.
    """

    def __init__(
        self,
        ehrs: EhrRegistry,
        http: Http,
        configurations: ConfigurationCache,
        keys: KeySet | None,
        jwks_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ehrs, self._http, self._configurations = ehrs, http, configurations
        self._keys, self._jwks_url, self._clock = keys, jwks_url, clock
        self._kept: dict[str, BackendToken] = {}
        # One lock for each EHR: one that answers slowly must not stop the reading at another.
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def access_token(self, ehr_id: str, *, rejected: str | None = None) -> str:
        """Give an access token that is valid for a while yet.

        Parameters
        ----------
        ehr_id : str
        rejected : str, optional
            The access token that a server has just answered 401 to: it is not given again.

        Raises
        ------
        UnattendedDenied
            The EHR has no `backend_client_id`.
        EhrUnknown
            No EHR has this id.
        SmartError
            The authorization server refused or did not answer.
        """
        return self.token(ehr_id, rejected=rejected).held.access

    def token(self, ehr_id: str, *, rejected: str | None = None) -> BackendToken:
        """Give the token together with what was granted; raises as `access_token`."""
        ehr = self._ehrs.by_id(ehr_id)
        registration = ehr.backend_registration(self._jwks_url)
        if registration is None:
            raise UnattendedDenied(
                "Reading without a user needs a client of its own at the EHR; none is registered."
            )
        with self._lock_of(ehr_id):
            kept = self._kept.get(ehr_id)
            if kept is not None and kept.held.access != rejected and self._is_fresh(kept.held):
                return kept
            self._kept.pop(ehr_id, None)
            self._kept[ehr_id] = fresh = self._ask(ehr, registration)
        return fresh

    def _ask(self, ehr: Ehr, registration: ClientRegistration) -> BackendToken:
        configuration = self._configurations.get(ehr.issuer)
        try:
            response = request_backend_token(
                self._http,
                registration,
                configuration,
                scopes=ehr.backend_scopes,
                keys=self._keys,
            )
        except SmartError:
            # The EHR may have moved since it was asked: the next request asks again.
            self._configurations.forget(ehr.issuer)
            raise
        return BackendToken(
            HeldTokens.of(response, self._clock()),
            response.granted,
            missing_scopes(ehr.backend_scopes, response.granted),
        )

    def _is_fresh(self, held: HeldTokens) -> bool:
        return held.is_usable(self._clock(), min(MARGIN_SECONDS, held.life_s / 4))

    def _lock_of(self, ehr_id: str) -> threading.Lock:
        with self._lock:
            return self._locks[ehr_id]
