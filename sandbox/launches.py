"""Launch codes of the EHR launch (SMART App Launch 2.2, "EHR-Launch").

Inside the viewer's frame no cookie of the hospital arrives, so the launch code is what tells the
authorization endpoint who is working on which patient. It is opaque, bound to one client, good
for one use and for a short time.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from dataclasses import dataclass

from sandbox.errors import SandboxError


@dataclass(frozen=True)
class Launch:
    """What the viewer had open when it started a client.

    Attributes
    ----------
    client_id : str
        The only client that may use the code.
    user : str
        ``Practitioner/<id>`` or ``Patient/<id>``.
    patient : str or None
        Patient id.
    study : str or None
        ImagingStudy id, handed on in ``fhirContext``.
    encounter : str or None
        Encounter id.
    intent : str or None
        What the user wants to do (``intent``).
    app_context : str or None
        ``appContext`` of a CDS Hooks link, handed on unread (CDS Hooks 2.0, "Link").
    need_patient_banner : bool
        False when the viewer itself shows the patient beside the frame.
    """

    client_id: str
    user: str
    patient: str | None = None
    study: str | None = None
    encounter: str | None = None
    intent: str | None = None
    app_context: str | None = None
    need_patient_banner: bool = True


class UnknownClientError(SandboxError):
    """A launch was asked for a client that is not registered."""


class LaunchBook:
    """The launch codes that are still good.

    Parameters
    ----------
    lifetime_s : int
        Seconds for which a code is good.
    """

    def __init__(self, lifetime_s: int) -> None:
        self._lifetime_s = lifetime_s
        self._open: dict[str, tuple[float, Launch]] = {}
        self._lock = threading.Lock()

    def mint(self, launch: Launch) -> str:
        """Make a code for ``launch``."""
        code = secrets.token_urlsafe(32)
        now = time.monotonic()
        with self._lock:
            self._open = {key: kept for key, kept in self._open.items() if kept[0] > now}
            self._open[_digest(code)] = (now + self._lifetime_s, launch)
        return code

    def consume(self, code: str, client_id: str) -> Launch | None:
        """Use a code up; None when it is unknown, used, too old or another client's."""
        with self._lock:
            expires, launch = self._open.get(_digest(code), (0.0, None))
            if launch is None or launch.client_id != client_id:
                return None  # Another client cannot burn the code either.
            del self._open[_digest(code)]
        return launch if expires > time.monotonic() else None


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def mint(
    client_id: str,
    patient: str | None,
    study: str | None = None,
    intent: str | None = None,
    user: str = "Practitioner/demo-radiologist",
    *,
    encounter: str | None = None,
    app_context: str | None = None,
    need_patient_banner: bool = True,
) -> str:
    """Make a launch code within a request of the hospital (the viewer calls this).

    Parameters
    ----------
    client_id : str
        A registered client.
    patient, study, encounter : str or None
        Ids of the Patient, ImagingStudy and Encounter that are open.
    intent : str or None
        Handed on to the client.
    app_context : str or None
        Handed on to the client, unread.
    user : str
        ``Practitioner/<id>`` or ``Patient/<id>``: the one who is working.

    Returns
    -------
    str
        The opaque ``launch`` parameter.

    Raises
    ------
    UnknownClientError
        The client is not registered, or nobody opens it.
    """
    from sandbox import hospital

    house = hospital.current()
    client = house.clients.get(client_id)
    if client is None or not client.interactive:
        raise UnknownClientError("the client must be registered")
    launch = Launch(
        client_id, user, patient, study, encounter, intent, app_context, need_patient_banner
    )
    return house.launches.mint(launch)
