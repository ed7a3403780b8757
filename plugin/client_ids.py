"""Which EHRs may know Wetread by the same backend client id (docs/decisions/0109)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from plugin.errors import SettingsError

if TYPE_CHECKING:
    from plugin.ehrs import Ehr


def check_client_ids(ehrs: Iterable[Ehr]) -> None:
    """Refuse a backend client id that two EHRs gave, unless each is pinned to its token endpoint.

    All EHRs know the same keys of Wetread: one that publishes another's token endpoint as its own
    would, where the backend client id is the same, be handed the token that opens every chart of
    the other. In a launch that leads nowhere: the code is its own, and the other does not know it.

    Raises
    ------
    SettingsError
    """
    known_by = defaultdict(list)
    for ehr in ehrs:
        if ehr.backend_client_id:
            known_by[ehr.backend_client_id].append(ehr)
    for sharing in known_by.values():
        loose = [ehr.id for ehr in sharing if not ehr.token_endpoint]
        if len(sharing) > 1 and loose:
            raise SettingsError(
                f"ehrs.{loose[0]}.token_endpoint must be set: another EHR gave Wetread the same "
                "backend client id"
            )
