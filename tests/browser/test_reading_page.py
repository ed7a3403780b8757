"""The page around the image: who, which study, what is missing, and every way it cannot begin."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import answers, results
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import FakePlugin, Scenario
from tests.browser.page_probes import wait_for_image

pytestmark = pytest.mark.browser

MARKUP = "<img src=x onerror=\"document.title='owned'\"><b>CLARK</b>"
RESUMED = """
export const finishLaunch = async () => ({ handle: "sandbox" });
export const forgetLaunch = () => {};
"""
UNREADABLE = answers.study(
    id="study-2",
    title="CT head",
    modalities=["CT"],
    readable=False,
    why_not="No model reads CT of the head.",
)
THIRD = answers.study(
    id="study-3", title="Chest X-ray, two views", started="2018-11", accession=None
)


def test_two_identifiers_birth_date_study_and_acquisition_are_in_view(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_image(page)
    banner = page.locator("#banner")
    for text in ("CLARK, Dan", "19 Oct 1930", "MRN", "H-1001", "NHI"):
        expect(banner).to_contain_text(text)
    facts = page.locator("#study-facts")
    for text in ("14 Mar 2020, 09:14", "ACC-2207", "PA", "89 years"):
        expect(facts).to_contain_text(text)


def test_a_chart_without_its_own_banner_gets_the_full_one(open_page: OpenPage) -> None:
    compact = open_page(name="compact")
    wait_for_image(compact)
    assert "Male" not in compact.locator("#banner").inner_text()
    full = open_page(Scenario(launch=answers.launch(need_patient_banner=True)), name="full")
    expect(full.locator("#banner")).to_contain_text("Male")


def test_the_research_notice_is_in_view_from_the_first_moment(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 400, "height": 600})
    notice = page.locator(".notice")
    expect(notice).to_contain_text("Research and demonstration only. Not a medical device")
    expect(notice).to_be_in_viewport(ratio=1)
    wait_for_image(page)
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    expect(notice).to_be_in_viewport(ratio=1)
    expect(page.locator(".patient-name")).to_be_in_viewport(ratio=1)


def test_markup_in_names_and_dicom_text_shows_as_text(open_page: OpenPage) -> None:
    patient = answers.launch()["patient"] | {"name": MARKUP}
    study = answers.study(
        title=MARKUP, accession=MARKUP, reports=[answers.report_of_study(conclusion=MARKUP)]
    )
    result = results.result(headline=MARKUP, sentences=[MARKUP], limits=[MARKUP])
    page = open_page(
        Scenario(
            launch=answers.launch(patient=patient, need_patient_banner=True),
            studies=[study],
            openings=[answers.opening(images=[answers.image(view_label=MARKUP, age=MARKUP)])],
            readings=[answers.reading(result=result, report=answers.report(sentence=MARKUP))],
        )
    )
    wait_for_image(page)
    page.get_by_role("button", name="AI diagnosis").click()
    page.wait_for_selector(".headline")
    for place in (
        ".patient-name",
        "#picture-heading",
        "#study-facts",
        ".headline",
        ".report",
        ".limits",
    ):
        assert MARKUP in page.locator(place).inner_text(), place
    assert page.locator("b, img").count() == 0
    assert page.title() == "Wetread"


def test_several_studies_are_never_chosen_by_guess(open_page: OpenPage, fake: FakePlugin) -> None:
    page = open_page(Scenario(studies=[answers.study(), UNREADABLE, THIRD]))
    expect(page.locator("#viewport-message")).to_have_text("Choose an imaging study from the list.")
    assert fake.scenarios["sandbox"].posted == []
    expect(page.get_by_role("button", name="AI diagnosis")).to_have_count(0)
    expect(page.locator("[data-study=study-2]")).to_be_disabled()
    expect(page.locator("[data-study=study-2]")).to_contain_text("No model reads CT of the head.")
    page.locator("[data-study=study-3]").click()
    expect(page.locator("#study-facts")).to_contain_text("not given")
    assert fake.scenarios["sandbox"].posted == [("opening", {"study": "study-3"})]


def test_the_study_of_the_chart_opens_by_itself(open_page: OpenPage, fake: FakePlugin) -> None:
    page = open_page(
        Scenario(launch=answers.launch(study="study-3"), studies=[answers.study(), THIRD])
    )
    wait_for_image(page)
    assert fake.scenarios["sandbox"].posted == [("opening", {"study": "study-3"})]


def test_a_reload_comes_back_to_the_chosen_study(open_page: OpenPage, fake: FakePlugin) -> None:
    page = open_page(Scenario(studies=[answers.study(), THIRD]))
    page.locator("[data-study=study-3]").click()
    wait_for_image(page)
    page.evaluate("() => history.replaceState({ ...history.state, other: 'kept' }, '')")
    assert page.evaluate("() => history.state.wetread") == "kept"
    fake.scenarios["sandbox"].posted.clear()
    page.route(
        "**/static/callback.js",
        lambda route: route.fulfill(
            content_type="text/javascript",
            body=RESUMED,
        ),
    )
    page.reload()
    wait_for_image(page)
    assert fake.scenarios["sandbox"].posted == [("opening", {"study": "study-3"})]


def test_a_study_of_the_chart_that_is_not_there_is_said(open_page: OpenPage) -> None:
    page = open_page(
        Scenario(launch=answers.launch(study="gone"), studies=[answers.study(), THIRD])
    )
    expect(page.locator("#viewport-message")).to_contain_text("The study that the chart asked for")


def test_another_study_chosen_meanwhile_wins(open_page: OpenPage, fake: FakePlugin) -> None:
    page = open_page(
        Scenario(
            studies=[answers.study(), THIRD],
            openings=[answers.opening("running"), answers.opening("running"), answers.opening()],
        )
    )
    page.locator("[data-study=study-1]").click()
    page.locator("[data-study=study-3]").click()
    wait_for_image(page)
    expect(page.locator("#picture-heading")).to_have_text("Chest X-ray, two views")


def test_existing_reports_are_shown_with_their_status(open_page: OpenPage) -> None:
    page = open_page(Scenario(studies=[answers.study(reports=[answers.report_of_study()])]))
    wait_for_image(page)
    expect(page.locator(".reports")).to_contain_text("Report: final")
    expect(page.locator(".reports")).to_contain_text("No focal consolidation")
    expect(page.locator("#study-facts")).to_contain_text("final")


def test_a_chart_without_imaging_says_so(open_page: OpenPage) -> None:
    page = open_page(Scenario(studies=[]))
    expect(page.get_by_text("No imaging in this chart")).to_be_visible()
    expect(page.get_by_role("button", name="AI diagnosis")).to_have_count(0)


def test_missing_scopes_and_no_writing_are_said_before_the_click(open_page: OpenPage) -> None:
    missing = [
        {"scope": "patient/Provenance.c", "sentence": "The report will not say who asked for it."}
    ]
    page = open_page(Scenario(launch=answers.launch(missing_scopes=missing, writes=False)))
    warnings = page.locator("#warnings")
    expect(warnings).to_contain_text("did not grant everything")
    expect(warnings).to_contain_text("The report will not say who asked for it.")
    expect(warnings).to_contain_text("takes no reports from Wetread")


def test_a_refused_launch_says_why_and_what_next(open_page: OpenPage) -> None:
    refused = answers.problem(
        "launch_denied",
        "Wetread could not be opened",
        "The state is not ours.",
        "Open Wetread again.",
    )
    page = open_page(Scenario(refused=refused))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Wetread could not be opened")
    expect(alert).to_contain_text("Open Wetread again.")
    expect(page.locator(".notice")).to_be_visible()


@pytest.mark.parametrize("status", [401, 403, 502])
def test_studies_that_cannot_be_listed_say_why(open_page: OpenPage, status: int) -> None:
    problem = answers.problem("fhir", "The chart did not answer", "It refused.", "Open it again.")
    page = open_page(Scenario(studies=(status, problem)))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The chart did not answer")
    expect(alert.get_by_role("button", name="Try again")).to_have_count(0 if status == 401 else 1)
    expect(page.locator(".patient-name")).to_have_text("CLARK, Dan")


def test_images_of_someone_else_are_not_shown(open_page: OpenPage, fake: FakePlugin) -> None:
    mismatch = answers.problem(
        "identity",
        "These images belong to someone else",
        "Nothing is shown.",
        "Tell the imaging department.",
    )
    page = open_page(Scenario(openings=[answers.opening("failed", problem=mismatch["problem"])]))
    expect(page.get_by_role("alert")).to_contain_text("These images belong to someone else")
    assert fake.scenarios["sandbox"].asked["jpg"] == 0


def test_opening_shows_its_step(open_page: OpenPage) -> None:
    page = open_page(Scenario(openings=[answers.opening("running")]))
    expect(page.locator("#viewport-message")).to_contain_text("Fetching the images…")


def test_close_ends_the_launch_and_clears_the_screen(open_page: OpenPage, fake: FakePlugin) -> None:
    page = open_page()
    wait_for_image(page)
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#opening")).to_contain_text("Wetread is closed")
    assert ("end", None) in fake.scenarios["sandbox"].posted
    assert "CLARK" not in page.locator("body").inner_text()


def test_the_handle_stays_out_of_addresses_and_fixed_storage(open_page: OpenPage) -> None:
    page = open_page(name="secret-handle-1")
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    wait_for_image(page)
    page.get_by_role("button", name="AI diagnosis").click()
    page.wait_for_selector(".headline")
    calls = [address for address in addresses if "/api/" in address]
    assert len(calls) > 4
    assert not [address for address in calls if "secret-handle-1" in address]
    assert page.evaluate("() => sessionStorage.length + localStorage.length") == 0
