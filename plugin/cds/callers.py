"""Which registered EHR calls: from the JWT to the entry in the registry, or a refusal."""

from __future__ import annotations

import time
from collections.abc import Callable

from plugin.cds.caller_keys import CallerKeys
from plugin.cds.caller_token import UnverifiedToken, read_authorization, verify
from plugin.cds.errors import CallerUnknown
from plugin.cds.replay import AcceptedCalls
from plugin.ehrs import Ehr, EhrRegistry


class Callers:
    """Knows the EHRs that may call the service.

    Parameters
    ----------
    ehrs, keys, accepted
        The registry, the EHRs' keys, and the tokens that were used up.
    audience : str
        Address of the service.
    clock : callable, optional
        Seconds since the epoch.
    """

    def __init__(
        self,
        ehrs: EhrRegistry,
        keys: CallerKeys,
        accepted: AcceptedCalls,
        audience: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ehrs, self._keys, self._accepted = ehrs, keys, accepted
        self._audience, self.clock = audience, clock

    def identify(self, authorization: str | None, wait_s: float) -> Ehr:
        """Find the EHR that a call's `Authorization` header proves, and use its token up.

        Parameters
        ----------
        authorization : str or None
        wait_s : float
            So long keys that are not there are waited for.

        Raises
        ------
        CallerUnknown
            The code says what is wrong: among others ``issuer_unknown``, ``jku_foreign``,
            ``key_unknown``, ``signature_invalid``, ``audience_foreign``, ``jwt_replayed``.
        KeysUnavailable
            The EHR's keys have not arrived.

        References
        ----------
        CDS Hooks 2.0, "Trusting CDS Clients"
        """
        token = read_authorization(authorization)
        ehr, keys_address = self._registered(token)
        keys = self._keys.find(keys_address, token.key_id, wait_s)
        proved = verify(token, keys, self._audience, self.clock())
        # Last, so that nobody else can use up the EHR's tokens or fill the table.
        if not self._accepted.accept(token.issuer, proved.jti, proved.usable_until_s):
            raise CallerUnknown("A JWT must be used once.", code="jwt_replayed")
        return ehr

    def _registered(self, token: UnverifiedToken) -> tuple[Ehr, str]:
        """Find the EHR by `iss` alone, before anything is sent anywhere."""
        ehr = self._ehrs.by_cds_issuer(token.issuer)
        if ehr is None or not ehr.cds_jwks_url:
            raise CallerUnknown(
                "Only an EHR whose cds_issuer is registered may call.", code="issuer_unknown"
            )
        if token.keys_address not in (None, ehr.cds_jwks_url):
            raise CallerUnknown(
                "`jku` must be the registered cds_jwks_url, or absent.", code="jku_foreign"
            )
        return ehr, ehr.cds_jwks_url
