"""Many at once, a restart, somebody who is faster: one report, and nothing written over."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from plugin.demo.drive import Clinician
from plugin.demo.processes import DemoError
from tests.hapi.chart import Resource
from tests.hapi.clinic import Clinic
from tests.hapi.proxy import Answer, Exchange, Proxy
from tests.hapi.server import Hapi

pytestmark = [pytest.mark.integration, pytest.mark.slow]
# Four patients for the tests that write with transactions, two for those that write with PUT.
TRANSACTIONS = pytest.mark.parametrize("clinic", ["transaction-put"], indirect=True, scope="module")
PUTS = pytest.mark.parametrize("clinic", ["put"], indirect=True, scope="module")
BUNDLE, STUDY, TRANSACTION = r"^POST /fhir/?$", r"^GET /fhir/ImagingStudy\?.*_id=", b'"transaction"'
AT_ONCE = 10


@pytest.fixture(autouse=True)
def every_trick_is_met(proxy: Proxy) -> Iterator[None]:
    yield
    assert (proxy.all_played(), proxy.failures) == (True, [])


def assert_one_report(clinic: Clinic, patient: str) -> Resource:
    (report,), (finding,) = clinic.reports(patient), clinic.findings(patient)
    assert report["status"] == finding["status"] == "preliminary"
    assert report["result"] == [{"reference": f"Observation/{finding['id']}"}]
    assert report["meta"]["versionId"] == finding["meta"]["versionId"] == "1"
    return report


@pytest.mark.parametrize("clinic", ["transaction-put", "create"], indirect=True, scope="module")
def test_ten_readings_of_one_study_at_once_leave_one_report(clinic: Clinic) -> None:
    patient = clinic.patients[0]
    # The hospital fetches Wetread's keys at the first sign-in: here it is about the readings.
    clinic.clinician.launch(patient)

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

    def before(self, _: Exchange) -> None:
        """The request is never carried out."""
        self._hapi.stop()
        self._thread.start()

    def after(self, exchange: Exchange) -> None:
        """The request is carried out, but nobody hears of it."""
        assert exchange.forward().status == 200
        self.before(exchange)

    def join(self) -> None:
        self._thread.join()


@TRANSACTIONS
def test_a_reading_during_whose_search_hapi_restarts_is_finished_later_and_once(
    clinic: Clinic, hapi: Hapi, proxy: Proxy
) -> None:
    patient, restart = clinic.patients[1], Restart(hapi)
    proxy.once(STUDY, restart.before)
    outcome = clinic.clinician.read_once(patient)
    restart.join()
    assert outcome.report == f"DiagnosticReport/{assert_one_report(clinic, patient)['id']}"


@TRANSACTIONS
def test_a_report_whose_confirmation_a_restart_swallowed_is_found_and_not_written_again(
    clinic: Clinic, hapi: Hapi, proxy: Proxy
) -> None:
    patient, restart = clinic.patients[2], Restart(hapi)
    proxy.once(BUNDLE, restart.after, holding=TRANSACTION)
    outcome = clinic.clinician.read_once(patient)
    restart.join()
    assert outcome.report == f"DiagnosticReport/{assert_one_report(clinic, patient)['id']}"


@TRANSACTIONS
def test_a_report_that_appears_in_our_place_at_the_last_moment_stays_as_it_is(
    clinic: Clinic, proxy: Proxy
) -> None:
    patient, theirs = clinic.patients[3], {"status": "final", "conclusion": "By a reader."}

    def sneak(exchange: Exchange) -> Answer:
        entries = [entry.get("resource", {}) for entry in json.loads(exchange.body)["entry"]]
        (ours,) = [one for one in entries if one.get("resourceType") == "DiagnosticReport"]
        alone = {name: value for name, value in ours.items() if name != "result"}
        clinic.chart.put(alone | theirs)
        return exchange.forward()

    proxy.once(BUNDLE, sneak, holding=TRANSACTION)
    with pytest.raises(DemoError, match="must be saved"):
        clinic.clinician.read_once(patient)
    (report,) = clinic.reports(patient)
    assert {name: report[name] for name in theirs} == theirs
    assert report["meta"]["versionId"] == "1"
    assert clinic.findings(patient) == []


@PUTS
def test_with_single_puts_too_a_report_at_the_last_moment_stays_as_it_is(
    clinic: Clinic, proxy: Proxy
) -> None:
    patient, theirs = clinic.patients[1], {"status": "final", "conclusion": "By a reader."}

    def sneak(exchange: Exchange) -> Answer:
        clinic.chart.put(json.loads(exchange.body) | theirs)
        return exchange.forward()

    proxy.once(r"^PUT /fhir/DiagnosticReport/", sneak)
    with pytest.raises(DemoError, match="must be saved"):
        clinic.clinician.read_once(patient)
    (report,) = clinic.reports(patient)
    assert {name: report[name] for name in theirs} == theirs
    assert report["meta"]["versionId"] == "1"


@PUTS
def test_a_finding_that_somebody_changes_between_our_look_and_our_write_stays_as_he_left_it(
    clinic: Clinic, proxy: Proxy
) -> None:
    patient, theirs = clinic.patients[0], "Confirmed by hand."

    def cut(_: Exchange) -> None:
        """The report never arrives, so that the finding stands alone and is written once more."""
        proxy.once(r"^PUT /fhir/Observation/", confirm_first)

    def confirm_first(exchange: Exchange) -> Answer:
        (finding,) = clinic.findings(patient)
        clinic.chart.put(finding | {"status": "final", "note": [{"text": theirs}]})
        return exchange.forward()

    proxy.once(r"^PUT /fhir/DiagnosticReport/", cut)
    with pytest.raises(DemoError, match="must be saved"):
        clinic.clinician.read_once(patient)
    (finding,) = clinic.findings(patient)
    assert (finding["status"], finding["note"]) == ("final", [{"text": theirs}])
    assert finding["meta"]["versionId"] == "2"
    assert clinic.reports(patient) == []
