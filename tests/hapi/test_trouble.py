"""Many at once, a restart, somebody who is faster: one report, and nothing written over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from plugin.demo.drive import Clinician
from plugin.demo.processes import DemoError
from tests.hapi.chart import Resource
from tests.hapi.clinic import Clinic
from tests.hapi.proxy import Answer, Forward, Proxy
from tests.hapi.server import Hapi

pytestmark = [pytest.mark.integration, pytest.mark.slow]
# Four patients for the tests that write with transactions, one for the one that writes with PUT.
TRANSACTIONS = pytest.mark.parametrize("clinic", ["transaction-put"], indirect=True, scope="module")
PUTS = pytest.mark.parametrize("clinic", ["put"], indirect=True, scope="module")
TRANSACTION = r"^POST /fhir/?$"
AT_ONCE = 10


@pytest.fixture(autouse=True)
def every_trick_is_met(proxy: Proxy) -> Iterator[None]:
    yield
    assert proxy.all_played()


def assert_one_report(clinic: Clinic, patient: str) -> Resource:
    (report,), (finding,) = clinic.reports(patient), clinic.findings(patient)
    assert report["status"] == finding["status"] == "preliminary"
    assert report["result"] == [{"reference": f"Observation/{finding['id']}"}]
    assert report["meta"]["versionId"] == finding["meta"]["versionId"] == "1"
    return report


@TRANSACTIONS
def test_ten_readings_of_one_study_at_once_leave_one_report(clinic: Clinic) -> None:
    patient = clinic.patients[0]

    def read(_: int) -> str:
        return Clinician(clinic.demo.choices).read_once(patient).report

    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = set(pool.map(read, range(AT_ONCE)))
    report = assert_one_report(clinic, patient)
    assert said == {f"DiagnosticReport/{report['id']}"}
    assert len(clinic.provenances(report)) == 1


class Restart:
    """Takes HAPI away in the middle of a request, and brings it back meanwhile."""

    def __init__(self, hapi: Hapi) -> None:
        self._hapi = hapi
        self._thread = threading.Thread(target=hapi.start)

    def before(self, _: Forward) -> None:
        """The request is never carried out."""
        self._hapi.stop()
        self._thread.start()

    def after(self, forward: Forward) -> None:
        """The request is carried out, but nobody hears of it."""
        assert forward().status == 200
        self.before(forward)

    def join(self) -> None:
        self._thread.join()


@TRANSACTIONS
@pytest.mark.parametrize(
    ("number", "request_line", "when"),
    [(1, r"^GET /fhir/ImagingStudy\?.*_id=", "before"), (2, TRANSACTION, "after")],
    ids=["while the study is looked for", "after the transaction, before its answer"],
)
def test_a_reading_during_which_hapi_restarts_is_finished_later_and_once(
    clinic: Clinic, hapi: Hapi, proxy: Proxy, number: int, request_line: str, when: str
) -> None:
    patient, restart = clinic.patients[number], Restart(hapi)
    proxy.once(request_line, getattr(restart, when))
    outcome = clinic.clinician.read_once(patient)
    restart.join()
    report = assert_one_report(clinic, patient)
    assert outcome.report == f"DiagnosticReport/{report['id']}"


def meanwhile(do: Callable[[], Any]) -> Callable[[Forward], Answer]:
    """Somebody else is faster: his change comes before the request."""

    def trick(forward: Forward) -> Answer:
        do()
        return forward()

    return trick


@PUTS
def test_a_finding_that_somebody_changes_between_our_look_and_our_write_stays_as_he_left_it(
    clinic: Clinic, proxy: Proxy
) -> None:
    patient, theirs = clinic.patients[0], "Confirmed by hand."

    def cut(_: Forward) -> None:
        """The report never arrives, so that the finding stands alone and is written once more."""
        proxy.once(r"^PUT /fhir/Observation/", meanwhile(confirm))

    def confirm() -> None:
        (finding,) = clinic.findings(patient)
        clinic.chart.put(finding | {"status": "final", "note": [{"text": theirs}]})

    proxy.once(r"^PUT /fhir/DiagnosticReport/", cut)
    with pytest.raises(DemoError, match="must be saved"):
        clinic.clinician.read_once(patient)
    (finding,) = clinic.findings(patient)
    assert (finding["status"], finding["note"]) == ("final", [{"text": theirs}])
    assert finding["meta"]["versionId"] == "2"
    assert clinic.reports(patient) == []
