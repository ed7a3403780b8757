"""The access that a bearer token gives (RFC 6750; SMART 2.2, "Scopes and Launch Context")."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from sandbox.errors import FhirProblem
from sandbox.scopes import ClinicalScope, clinical_scopes


@dataclass(frozen=True)
class Reach:
    """Whose records an interaction may touch.

    Attributes
    ----------
    everything : bool
        Any record of the type.
    patients : frozenset of str
        Otherwise the ids of the patients whose records it may touch.
    """

    everything: bool = False
    patients: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return self.everything or bool(self.patients)

    def admits(self, patient_id: str | None) -> bool:
        """Whether a record of this patient (None: of no patient) is within reach."""
        return self.everything or patient_id in self.patients


@dataclass(frozen=True)
class Access:
    """Who is asking, for which patient, with which scopes.

    Attributes
    ----------
    client_id : str
        The client.
    user : str or None
        ``Practitioner/<id>`` or ``Patient/<id>``; None for a backend service.
    patient : str or None
        Id of the patient in the launch context.
    scopes : tuple of str
        Granted scope tokens.
    """

    client_id: str
    user: str | None
    patient: str | None
    scopes: tuple[str, ...]

    def reach(self, kind: str, permission: str) -> Reach:
        """Whose records of type ``kind`` may be touched with ``permission`` (of ``cruds``).

        Examples
        --------
        DICOMweb asks ``access.reach("ImagingStudy", "r").admits(patient_id)``.
        """
        covering = [s for s in clinical_scopes(self.scopes) if s.covers(kind, permission)]
        patients: set[str] = set()
        for scope in covering:
            reached = self._reach_of(scope)
            if reached is None:
                return Reach(everything=True)
            patients |= reached
        return Reach(patients=frozenset(patients))

    def _reach_of(self, scope: ClinicalScope) -> set[str] | None:
        if scope.context == "patient":
            return {self.patient} if self.patient else set()
        if scope.context == "system":
            return (
                None  # No patient compartment: the registration says which types, and that is all.
            )
        if self.user is None:
            return set()
        kind, _, user_id = self.user.partition("/")
        # user/ reaches what the user may see: staff all patients, a patient only himself.
        return {user_id} if kind == "Patient" else None


def require_access() -> Access:
    """Access of the current request, from its ``Authorization: Bearer`` header.

    Raises
    ------
    FhirProblem
        401 with ``WWW-Authenticate`` when there is no token, or it is unknown, expired or revoked.
    """
    from sandbox import hospital

    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized("a bearer token is required", 'Bearer realm="hospital"')
    access = hospital.current().grants.access(token.strip())
    if access is None:
        challenge = 'Bearer realm="hospital", error="invalid_token"'
        raise _unauthorized("the token is unknown, expired or revoked", challenge)
    return access


def _unauthorized(text: str, challenge: str) -> FhirProblem:
    return FhirProblem(401, "login", text, headers={"WWW-Authenticate": challenge})
