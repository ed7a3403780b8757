"""The viewer's pages and what its scripts ask, over a real socket."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from sandbox.server import RunningSandbox
from tests.sandbox_imaging.browserless import Viewer

PDF = b"%PDF-1.7\n% a report\n"
HOSTILE = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Collects links, scripts, frames and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def viewer(hospital: RunningSandbox) -> Viewer:
    return Viewer(hospital)


def report(report_id: str, patient: str = "clark-dan", **more: object) -> dict:
    return {
        "resourceType": "DiagnosticReport",
        "id": report_id,
        "meta": {"security": [{"code": "DEVAST"}]},
        "status": "preliminary",
        "code": {"text": "Chest X-ray, unverified AI reading"},
        "subject": {"reference": f"Patient/{patient}"},
        "imagingStudy": [{"reference": f"ImagingStudy/{patient}-chest-xray"}],
        "effectiveDateTime": "2026-03-09",
        "issued": "2026-03-10T09:30:00Z",
        **more,
    }


@pytest.fixture
def written(hospital: RunningSandbox) -> Iterator[None]:
    """A report of CLARK, Dan with its Observation and a PDF."""
    fhir = hospital.app.extensions["sandbox"].fhir
    quantity = {"value": 0.734, "unit": "probability", "code": "1"}
    observation = {
        "resourceType": "Observation",
        "id": "viewer-test",
        "status": "preliminary",
        "code": {"text": "Probability of Covid-19"},
        "subject": {"reference": "Patient/clark-dan"},
        "valueQuantity": quantity,
        "component": [
            {"code": {"text": "normal"}, "valueQuantity": quantity | {"value": 0.1}},
            {"code": {"text": HOSTILE}, "valueString": HOSTILE},
        ],
    }
    form = {"contentType": "application/pdf", "data": base64.b64encode(PDF).decode()}
    fhir.update(observation)
    fhir.update(
        report(
            "viewer-test",
            conclusion=f"Covid-19 probability 73 %. {HOSTILE}",
            result=[{"reference": "Observation/viewer-test"}],
            presentedForm=[form],
        )
    )
    yield
    fhir.update(report("viewer-test", status="entered-in-error"))


def test_the_list_names_every_patient_and_says_that_none_is_real(viewer: Viewer) -> None:
    page = Page(viewer.get("/").text)
    assert "CLARK, Dan" in page.text
    assert "MAYER, Rosa" in page.text
    assert "Demo hospital – no real patients" in page.text


@pytest.mark.parametrize("words", ["clark", "dan CLARK", "H-1001", "1930-10"])
def test_search_finds_by_name_number_and_birth_date(viewer: Viewer, words: str) -> None:
    page = Page(viewer.get("/", params={"q": words}).text)
    assert "CLARK, Dan" in page.text
    assert "MAYER, Rosa" not in page.text


def test_a_chart_shows_who_it_is_on_every_tab(viewer: Viewer) -> None:
    for tab in ("", "/imaging", "/reports", "/imaging/clark-dan-chest-xray"):
        text = Page(viewer.get(f"/patients/clark-dan{tab}").text).text
        for fact in ("CLARK, Dan", "1930-10-19", "male", "H-1001"):
            assert fact in text, (tab, fact)


def test_opening_the_chest_xray_shows_it_with_the_clients_panel_beside_it(viewer: Viewer) -> None:
    chart = Page(viewer.get("/patients/clark-dan/imaging").text)
    (card,) = [a for a in chart.all("a") if a.get("class") == "card"][-1:]
    page = Page(viewer.get(str(card["href"])).text)
    (frame,) = page.all("iframe")
    assert frame["data-client"] == "wetread"
    assert frame["data-patient"] == "clark-dan"
    assert frame["data-study"] == "clark-dan-chest-xray"
    allowed = set(str(frame["sandbox"]).split())
    assert {"allow-scripts", "allow-same-origin", "allow-forms", "allow-popups"} <= allowed
    assert not allowed & {"allow-top-navigation", "allow-top-navigation-by-user-activation"}
    picture = next(i for i in page.all("img") if i.get("id") == "picture")
    assert viewer.get(str(picture["src"])).headers["Content-Type"] == "image/jpeg"


def test_two_charts_stand_side_by_side_each_with_its_own_frame(viewer: Viewer) -> None:
    page = Page(viewer.get("/compare?patients=clark-dan,mayer-rosa").text)
    frames = [(f["data-patient"], f["data-study"]) for f in page.all("iframe")]
    assert frames == [
        ("clark-dan", "clark-dan-chest-xray"),
        ("mayer-rosa", "mayer-rosa-chest-xray"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/patients/nobody",
        "/patients/nobody/reports",
        "/patients/clark-dan/imaging/mayer-rosa-ct",
        "/patients/clark-dan/imaging/nothing",
        "/patients/%3Cscript%3E",
        "/compare?patients=nobody,clark-dan",
        "/viewer/patients/nobody/studies",
        "/viewer/pictures/1.2/3.4/5.6.jpg",
    ],
)
def test_what_is_not_there_is_a_404(viewer: Viewer, path: str) -> None:
    assert viewer.get(path).status_code == 404


def test_a_page_loads_nothing_from_elsewhere_and_may_frame_only_clients(viewer: Viewer) -> None:
    answer = viewer.get("/patients/clark-dan/imaging/clark-dan-chest-xray")
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-src"] == "'self' http://127.0.0.1:9"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    page = Page(answer.text)
    addresses = [s.get("src") for s in page.all("script")] + [s["href"] for s in page.all("link")]
    assert all(str(address).startswith("/viewer/static/") for address in addresses)
    assert not page.all("style")
    assert not any("onclick" in attributes or "style" in attributes for _, attributes in page.tags)


def test_every_script_and_style_of_a_page_is_there(viewer: Viewer) -> None:
    paths = ("/", "/patients/clark-dan/imaging", "/patients/clark-dan/imaging/clark-dan-chest-xray")
    for path in (*paths, "/patients/clark-dan/reports", "/compare"):
        page = Page(viewer.get(path).text)
        for tag, name in (("script", "src"), ("link", "href")):
            for attributes in page.all(tag):
                assert viewer.get(str(attributes[name])).status_code == 200


def test_markup_in_a_patients_name_stays_text(hospital: RunningSandbox, viewer: Viewer) -> None:
    fhir = hospital.app.extensions["sandbox"].fhir
    mrn = {"system": "https://hospital.example/mrn", "value": 'H-"><img src=x onerror=alert(1)>'}
    name = {"family": HOSTILE, "given": ["'\"><iframe src=javascript:alert(1)>"]}
    fhir.update(
        {
            "resourceType": "Patient",
            "id": "hostile",
            "identifier": [mrn],
            "name": [name],
            "gender": "female",
            "birthDate": "1990-01-01",
        }
    )
    paths = ("/", "/patients/hostile", "/patients/hostile/imaging", "/compare?patients=hostile")
    for path in (*paths, "/patients/hostile/reports"):
        text = viewer.get(path).text
        page = Page(text)
        assert HOSTILE not in text
        assert HOSTILE in page.text
        assert all(str(s.get("src")).startswith("/viewer/static/") for s in page.all("script"))
        assert not any("onerror" in attributes for _, attributes in page.tags)
        assert not any(str(f.get("src")).startswith("javascript") for f in page.all("iframe"))


def test_reports_show_status_conclusion_values_and_pdf(viewer: Viewer, written: None) -> None:
    text = viewer.get("/patients/clark-dan/reports").text
    page = Page(text)
    for fact in (
        "preliminary – unverified AI reading",
        "Covid-19 probability 73 %.",
        "73.4 %",
        "2026-03-10 09:30",
        "Chest X-ray, PA",
    ):
        assert fact in page.text
    assert HOSTILE not in text
    assert HOSTILE in page.text
    (pdf,) = [a["href"] for a in page.all("a") if str(a["href"]).endswith(".pdf")]
    answer = viewer.get(str(pdf))
    assert answer.content == PDF
    assert answer.headers["Content-Type"] == "application/pdf"


def test_the_polled_list_is_that_of_the_page_and_of_one_study(
    viewer: Viewer, written: None
) -> None:
    assert "73.4 %" in viewer.get("/viewer/patients/clark-dan/reports").text
    study = "/viewer/patients/clark-dan/reports?study="
    assert "73.4 %" in viewer.get(f"{study}clark-dan-chest-xray").text
    assert "No reports yet" in viewer.get(f"{study}mayer-rosa-ct").text


def test_a_pdf_is_not_given_out_under_another_patient(viewer: Viewer, written: None) -> None:
    path = "/viewer/patients/mayer-rosa/reports/viewer-test.pdf"
    assert viewer.get(path).status_code == 404
