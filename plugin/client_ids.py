"""Which EHRs may know Wetread by the same client id (docs/decisions/0109)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from plugin.errors import SettingsError

if TYPE_CHECKING:
    from plugin.ehrs import Ehr


def check_client_ids(ehrs: Iterable[Ehr]) -> None:
    """Refuse a client id that two EHRs gave, unless each is pinned to its token endpoint.

    All EHRs know the same keys of Wetread: one that publishes another's token endpoint as its own
    could have Wetread sign in there, where the client id is the same.

    Raises
    ------
    SettingsError
    """
    known_by = defaultdict(list)
    for ehr in ehrs:
        for client_id in _signs_as(ehr):
            known_by[client_id].append(ehr)
    for sharing in known_by.values():
        loose = [ehr.id for ehr in sharing if not ehr.token_endpoint]
        if len(sharing) > 1 and loose:
            raise SettingsError(
                f"ehrs.{loose[0]}.token_endpoint must be set: another EHR gave Wetread the same "
                "client id, and both take its private keys"
            )


def _signs_as(ehr: Ehr) -> set[str]:
    signing = {ehr.client_id} if ehr.authentication == "private_key" else set()
    return signing | ({ehr.backend_client_id} if ehr.backend_client_id else set())
