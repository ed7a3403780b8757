"""What the cards are made from: the patient's studies and reports, prefetched or fetched in time.

All of them or none: of half the reports nobody can say which study has none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from plugin.cds.call import Call, FhirAuthorization
from plugin.cds.errors import DataMissing
from plugin.cds.shapes import PATIENT, REPORT, STUDY, Misshapen, Shape, pick
from plugin.ehrs import Ehr
from plugin.imaging.identity import IdentityRules, PatientIdentity, belongs_to, patient_identity
from smart_launch.errors import SmartError
from smart_launch.fhir_bundles import bundle_entries, next_link
from smart_launch.fhir_client import FhirClient
from smart_launch.http import Http, HttpLimits
from smart_launch.scopes import covers

Resources = tuple[Mapping[str, Any], ...]

KINDS: dict[str, tuple[str, Shape]] = {
    "studies": ("ImagingStudy", STUDY),
    "reports": ("DiagnosticReport", REPORT),
}
MOST_ENTRIES = 500
# Calls that wait for a record hold threads of the web process, which pages need too.
MOST_WAITING = 3
LIMITS = HttpLimits(
    connect_s=0.3, read_s=0.35, total_s=0.4, response_bytes=4 * 1024 * 1024, attempts=1
)  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """The open patient's studies and reports, and nobody else's."""

    studies: Resources = field(repr=False)
    reports: Resources = field(repr=False)
    fetched: bool = False


class Charts:
    """Reads charts; safe to share between threads.

    Parameters
    ----------
    http : Http, optional
        For what an EHR has not prefetched.
    """

    def __init__(self, http: Http | None = None) -> None:
        self._http = http or Http(LIMITS)
        self._seats = threading.BoundedSemaphore(MOST_WAITING)
        self._errands = ThreadPoolExecutor(MOST_WAITING * len(KINDS), "cds-chart")

    def read(self, call: Call, ehr: Ehr, deadline: float) -> Chart:
        """Give the chart of a call's patient.

        Parameters
        ----------
        deadline : float
            Of `time.monotonic`: what has not arrived then is not waited for.

        Raises
        ------
        DataMissing
            Neither prefetched as it must be, nor to be fetched: no token, one that was made for
            another app or allows too little, no answer in time, or more than can be looked through.
        """
        found = {key: _prefetched(call.prefetch, key) for key in KINDS}
        lacking = [key for key, resources in found.items() if resources is None]
        fetched = self._fetch(call, ehr, lacking, deadline)
        whole = {key: resources or () for key, resources in found.items()} | fetched
        identity, rules = _identity(call, ehr), IdentityRules(fhir_base=ehr.issuer)
        return Chart(
            _of_patient(whole["studies"], identity, rules),
            _of_patient(whole["reports"], identity, rules),
            bool(fetched),
        )

    def _fetch(
        self, call: Call, ehr: Ehr, keys: Sequence[str], deadline: float
    ) -> dict[str, Resources]:
        if not keys:
            return {}
        token = _usable_token(call.authorization, ehr, keys)
        # The registered address, not the one that the call names.
        client = FhirClient(ehr.issuer, token, http=self._http)
        if not self._seats.acquire(blocking=False):
            raise DataMissing("The record is asked for few charts at once.", code="record_busy")
        try:
            errands = {k: self._errands.submit(_search, client, k, call.patient) for k in keys}
            wait(errands.values(), timeout=max(0.0, deadline - time.monotonic()))
        finally:
            self._seats.release()
        return {key: _outcome(errand) for key, errand in errands.items()}


def _prefetched(prefetch: Mapping[str, Any], key: str) -> Resources | None:
    """Give what was prefetched under a key; None where it is not there or not whole.

    References
    ----------
    CDS Hooks 2.0, "Prefetch Template": null says that there is nothing; an OperationOutcome that
    it could not be found out; a further page is not allowed.
    """
    if key not in prefetch:
        return None
    bundle = prefetch[key]
    if bundle is None:
        return ()
    if not isinstance(bundle, dict) or next_link(bundle) is not None:
        return None
    try:
        return _matches(bundle, *KINDS[key])
    except (SmartError, Misshapen):
        return None


def _matches(bundle: dict[str, Any], kind: str, shape: Shape) -> Resources:
    found = list(bundle_entries(bundle, kind))
    matches = tuple(pick(resource, shape) for mode, resource in found if mode == "match")
    entries, total = bundle.get("entry", []), bundle.get("total", 0)
    # What was passed over, or counted and not sent, could be the report that somebody signed.
    if len(found) < len(entries) or not isinstance(total, int) or total > len(matches):
        raise Misshapen("expected every match; got fewer")
    return matches


def _usable_token(authorization: FhirAuthorization | None, ehr: Ehr, keys: Sequence[str]) -> str:
    if authorization is None:
        raise DataMissing(
            "Studies and reports must be prefetched, all of them, or fhirAuthorization be sent."
        )
    if authorization.subject not in (ehr.client_id, ehr.backend_client_id):
        raise DataMissing(
            "`fhirAuthorization` must be made for a client id of Wetread; it is for another app.",
            code="authorization_foreign",
        )
    for kind in (KINDS[key][0] for key in keys):
        levels = (f"patient/{kind}.s", f"system/{kind}.s")
        if not any(covers(authorization.scopes, scope) for scope in levels):
            raise DataMissing(
                f"What is not prefetched must be searchable; the scopes do not allow {kind}.",
                code="scopes_missing",
            )
    return authorization.access_token


def _search(client: FhirClient, key: str, patient: str) -> Resources:
    kind, shape = KINDS[key]
    found = list(client.search(kind, {"patient": patient}, limit=MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        raise DataMissing(
            f"A chart is looked through up to {MOST_ENTRIES} entries; there are more.",
            code="too_much_data",
        )
    return tuple(pick(resource, shape) for resource in found)


def _outcome(errand: Future[Resources]) -> Resources:
    if not errand.done():
        errand.cancel()
        raise DataMissing("The record must answer in time; it did not.", code="record_slow")
    try:
        return errand.result()
    except (SmartError, Misshapen) as error:
        raise DataMissing(
            "The record must give studies and reports; it did not.", code="record_refused"
        ) from error


def _identity(call: Call, ehr: Ehr) -> PatientIdentity:
    """Who the patient is: by the prefetched Patient also under which other records."""
    alone = PatientIdentity(id=call.patient)
    try:
        resource = pick(call.prefetch.get("patient"), PATIENT)
    except Misshapen:
        return alone
    if (resource.get("resourceType"), resource.get("id")) != ("Patient", call.patient):
        return alone
    return patient_identity(resource, IdentityRules(fhir_base=ehr.issuer))


def _of_patient(
    resources: Resources, identity: PatientIdentity, rules: IdentityRules
) -> Resources:  # fmt: skip
    """Leave out what is another patient's, whoever sent it."""
    return tuple(r for r in resources if belongs_to(identity, r.get("subject") or {}, rules))
