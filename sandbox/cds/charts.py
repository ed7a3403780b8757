"""The cards of one chart, from every registered client that has a CDS service."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.access import Access
from sandbox.authorization.grants import Authorization
from sandbox.cds.caller import JWT_LIFE_S, Opened
from sandbox.cds.cards import Card
from sandbox.cds.prefetch import prefetch
from sandbox.clients import Client
from sandbox.errors import CdsProblem
from sandbox.fhir.guard import GuardedRecords
from sandbox.scopes import ClinicalScope, clinical_scopes, split_scopes

if TYPE_CHECKING:
    from sandbox.hospital import Hospital


@dataclass(frozen=True)
class ChartCards:
    """What the services said, and which rule an answer broke (for their developers)."""

    cards: tuple[Card, ...]
    problems: tuple[str, ...]


def chart_cards(house: Hospital, patient: str, user: str) -> ChartCards:
    """Ask for the cards of a chart.

    Parameters
    ----------
    house : Hospital
    patient : str
        Id of the patient whose chart is open.
    user : str
        ``Practitioner/<id>`` of the one who opened it.
    """
    cards: list[Card] = []
    problems: list[str] = []
    for client in house.clients.values():
        if client.cds_services_url:
            try:
                cards += _cards_of(house, client, client.cds_services_url, patient, user)
            except CdsProblem as problem:
                problems.append(str(problem))
    return ChartCards(tuple(cards), tuple(problems))


def _cards_of(house: Hospital, client: Client, root: str, patient: str, user: str) -> list[Card]:
    left_s = house.settings.cds_budget_s
    began = time.monotonic()
    services = house.cds.services(root, began + left_s)
    left_s -= time.monotonic() - began
    agreed = Authorization(client.client_id, user, _read_only(client), patient=patient)
    opened = _opened(house, agreed, patient, user)
    found: list[Card] = []
    for service in services:
        # What the hospital's own records take is not the service's time.
        fetched = prefetch(service.prefetch, opened.context, _records(house, agreed))
        began = time.monotonic()
        address, clients = f"{root}/{service.id}", house.clients.values()
        found += house.cds.call(address, opened, fetched, began + left_s, clients)
        left_s -= time.monotonic() - began
    return found


def _opened(house: Hospital, agreed: Authorization, patient: str, user: str) -> Opened:
    issued = house.grants.issue_unasked(agreed, JWT_LIFE_S)
    return Opened(
        context={"userId": user, "patientId": patient},
        authorization={
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "expires_in": issued.expires_in_s,
            "scope": " ".join(agreed.scopes),
            "subject": agreed.client_id,
            "patient": patient,
        },
    )


def _records(house: Hospital, agreed: Authorization) -> GuardedRecords:
    access = Access(agreed.client_id, agreed.user, agreed.patient, agreed.scopes)
    settings = house.settings
    return GuardedRecords(house.fhir, access, settings.fhir_base, settings.write_profile)


def _read_only(client: Client) -> tuple[str, ...]:
    """A card is made from what its client may read of the patient; nothing is written for it."""
    found = (
        ClinicalScope("patient", scope.kind, "".join(c for c in scope.permissions if c in "rs"))
        for scope in clinical_scopes(split_scopes(client.scopes))
        if scope.context == "patient"
    )
    return tuple(dict.fromkeys(str(scope) for scope in found if scope.permissions))
