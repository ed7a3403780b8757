"""Calls of a CDS service when a chart is opened (CDS Hooks 2.0, "Calling a CDS Service")."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.authorization.keys import SigningKey
from sandbox.cds.answers import Question, ask
from sandbox.cds.cards import Card, read_cards
from sandbox.cds.services import HOOK, Service, read_services
from sandbox.clients import Client

if TYPE_CHECKING:
    from sandbox.settings import SandboxSettings

DISCOVERY_FRESH_S = 300
JWT_LIFE_S = 60


@dataclass(frozen=True)
class Opened:
    """The chart that is open, as a service is told.

    Attributes
    ----------
    context : mapping
        ``userId`` and ``patientId`` of the hook ``patient-view``.
    authorization : mapping
        ``fhirAuthorization``: what the service may read in this patient's record.
    """

    context: Mapping[str, str]
    authorization: Mapping[str, Any]


class CdsCaller:
    """Finds a client's services, and asks them for cards.

    Parameters
    ----------
    settings : SandboxSettings
        Addresses of the hospital.
    signing_key : SigningKey
        ES384; its public half is served at ``settings.cds_jwks_url``.
    """

    def __init__(self, settings: SandboxSettings, signing_key: SigningKey) -> None:
        self._settings = settings
        self.signing_key = signing_key
        self._known: dict[str, tuple[float, tuple[Service, ...]]] = {}
        self._lock = threading.Lock()

    def services(self, root: str, deadline: float) -> tuple[Service, ...]:
        """Services under a root address, remembered for some minutes.

        Raises
        ------
        CdsProblem
            They cannot be had; that is not remembered.
        """
        with self._lock:
            fetched, known = self._known.get(root, (0.0, ()))
        if fetched and time.monotonic() - fetched < DISCOVERY_FRESH_S:
            return known
        found = read_services(ask(Question(root), deadline))
        with self._lock:
            self._known[root] = (time.monotonic(), found)
        return found

    def call(
        self,
        address: str,
        opened: Opened,
        prefetched: Mapping[str, Any],
        deadline: float,
        clients: Iterable[Client],
    ) -> tuple[Card, ...]:
        """Ask one service for its cards.

        Parameters
        ----------
        address : str
            Of the service.
        opened : Opened
        prefetched : mapping
            Data by prefetch key.
        deadline : float
            Of ``time.monotonic``.
        clients : iterable of Client
            Those that a card may launch.

        Raises
        ------
        CdsProblem
            No answer in time, or one that breaks a rule.
        """
        body = {
            "hook": HOOK,
            "hookInstance": str(uuid.uuid4()),
            "fhirServer": self._settings.fhir_base,
            "fhirAuthorization": dict(opened.authorization),
            "context": dict(opened.context),
            "prefetch": dict(prefetched),
        }
        headers = {"Authorization": f"Bearer {self._token(address)}"}
        return read_cards(ask(Question(address, body, headers), deadline), clients)

    def _token(self, address: str) -> str:
        """CDS Hooks 2.0, "Trusting CDS Clients": who calls, whom, when, and once."""
        now = int(time.time())
        claims = {
            "iss": self._settings.base_url,
            "aud": address,
            "iat": now,
            "exp": now + JWT_LIFE_S,
            "jti": str(uuid.uuid4()),
        }
        return self.signing_key.sign(claims, jku=self._settings.cds_jwks_url)
