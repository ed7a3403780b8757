"""What the cards are made from: the patient's studies and reports, prefetched or fetched in time.

All of them or none: of half the reports nobody can say which study has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plugin.cds.call import Call, FhirAuthorization
from plugin.cds.errors import DataMissing
from plugin.cds.record_search import LIMITS, RecordSearch
from plugin.cds.searchsets import Resources, all_of, read_page
from plugin.cds.shapes import PATIENT, REPORT, STUDY, Misshapen, Shape, pick
from plugin.ehrs import Ehr
from plugin.imaging.identity import IdentityRules, PatientIdentity, belongs_to, patient_identity
from smart_launch.fhir_client import FhirClient
from smart_launch.http import Http
from smart_launch.scopes import covers

KINDS: dict[str, tuple[str, Shape]] = {
    "studies": ("ImagingStudy", STUDY),
    "reports": ("DiagnosticReport", REPORT),
}


@dataclass(frozen=True)
class Chart:
    """What the record gave as the open patient's.

    Attributes
    ----------
    studies, reports : tuple of mapping
        Shown to be this patient's.
    other_studies, other_reports : tuple of mapping
        Given for this patient, but with another subject, or with none that can be compared: a
        record of the same person, or a mistake.
    """

    studies: Resources = field(repr=False)
    reports: Resources = field(repr=False)
    other_studies: Resources = field(default=(), repr=False)
    other_reports: Resources = field(default=(), repr=False)


@dataclass(frozen=True)
class Prefetched:
    """What is needed of a call's prefetched data; a small part of it.

    Attributes
    ----------
    lists : mapping
        Key (`KINDS`) to resources; None where they are not there or not whole.
    identity : PatientIdentity
        Who the patient is: by the prefetched Patient also under which other records.
    """

    lists: Mapping[str, Resources | None] = field(repr=False)
    identity: PatientIdentity = field(repr=False)


def read_prefetched(call: Call, ehr: Ehr) -> Prefetched:
    """Take over what is needed of a call's prefetched data, so that the rest can be let go."""
    return Prefetched({key: _list(call.prefetch, key) for key in KINDS}, _identity(call, ehr))


class Charts:
    """Reads charts; safe to share between threads.

    Parameters
    ----------
    http : Http, optional
        For what an EHR has not prefetched.
    """

    def __init__(self, http: Http | None = None) -> None:
        self._http = http or Http(LIMITS)
        self._record = RecordSearch(len(KINDS))

    def read(self, call: Call, prefetched: Prefetched, ehr: Ehr, deadline: float) -> Chart:
        """Give the chart of a call's patient.

        Parameters
        ----------
        prefetched : Prefetched
            Of this call.
        deadline : float
            Of `time.monotonic`: what has not arrived then is not waited for.

        Raises
        ------
        DataMissing
            Neither prefetched as it must be, nor to be fetched: no token, one that was made for
            another app or allows too little, no answer in time, or more than can be looked through.
        """
        found, identity = prefetched.lists, prefetched.identity
        lacking = [key for key, resources in found.items() if resources is None]
        fetched = self._fetch(call, ehr, lacking, deadline)
        whole = {key: resources or () for key, resources in found.items()} | fetched
        rules = IdentityRules(fhir_base=ehr.issuer)
        studies, other_studies = _by_subject(whole["studies"], identity, rules)
        reports, other_reports = _by_subject(whole["reports"], identity, rules)
        return Chart(studies, reports, other_studies, other_reports)

    def _fetch(
        self, call: Call, ehr: Ehr, keys: Sequence[str], deadline: float
    ) -> dict[str, Resources]:
        if not keys:
            return {}
        token = _usable_token(call.authorization, ehr, keys)
        # The registered address, not the one that the call names.
        client = FhirClient(ehr.issuer, token, http=self._http)
        kinds = [KINDS[key] for key in keys]
        found = self._record.find(client, ehr.id, call.patient, kinds, deadline)
        return dict(zip(keys, found, strict=True))


def _list(prefetch: Mapping[str, Any], key: str) -> Resources | None:
    """Give what was prefetched under a key; None where it is not there or not whole.

    References
    ----------
    CDS Hooks 2.0, "Prefetch Template": null says that there is nothing; an OperationOutcome that
    it could not be found out; a further page is not allowed.
    """
    if key not in prefetch:
        return None
    if prefetch[key] is None:
        return ()
    try:
        return all_of([read_page(prefetch[key], *KINDS[key])])
    except Misshapen:
        return None


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


def _identity(call: Call, ehr: Ehr) -> PatientIdentity:
    alone = PatientIdentity(id=call.patient)
    try:
        resource = pick(call.prefetch.get("patient"), PATIENT)
    except Misshapen:
        return alone
    if (resource.get("resourceType"), resource.get("id")) != ("Patient", call.patient):
        return alone
    return patient_identity(resource, IdentityRules(fhir_base=ehr.issuer))


def _by_subject(
    resources: Resources, identity: PatientIdentity, rules: IdentityRules
) -> tuple[Resources, Resources]:
    """Tell this patient's from those of whom nobody can say it."""
    own = [belongs_to(identity, r.get("subject") or {}, rules) for r in resources]
    parts = list(zip(resources, own, strict=True))
    return tuple(r for r, his in parts if his), tuple(r for r, his in parts if not his)
