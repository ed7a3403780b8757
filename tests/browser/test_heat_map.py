"""The heat map of a reading: when it is shown, how strongly, and on which image."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import answers, phantom, results
from tests.browser.clicks import diagnose, read
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import FakePlugin, Scenario
from tests.browser.page_probes import pixel, wait_for_image

pytestmark = pytest.mark.browser


def test_the_heat_map_is_off_until_asked_for_and_its_opacity_follows_the_slider(
    open_page: OpenPage,
) -> None:
    page = open_page()
    wait_for_image(page)
    diagnose(page)
    expect(page.locator("#heat-bar")).to_be_visible()
    expect(page.get_by_role("switch", name="Heat map")).not_to_be_checked()
    plain = pixel(page, 0.36, 0.62)
    assert plain[0] == plain[1] == plain[2]
    page.get_by_role("switch", name="Heat map").press("Space")
    half = pixel(page, 0.36, 0.62)
    assert half[0] > half[1] + 40
    slider = page.get_by_role("slider", name="Opacity")
    slider.press("End")
    assert pixel(page, 0.36, 0.62) == (255, 0, 0)
    expect(page.locator("#heat-value")).to_have_text("100 %")
    slider.press("Home")
    assert pixel(page, 0.36, 0.62) == plain
    slider.press("End")
    page.get_by_role("switch", name="Heat map").press("Space")
    assert pixel(page, 0.36, 0.62) == plain
    expect(slider).to_be_disabled()


def test_the_heat_map_lies_only_on_the_image_that_the_model_read(open_page: OpenPage) -> None:
    images = [answers.image(1), answers.image(2, view="AP", view_label="AP")]
    # The server listed the images in another order when it was read: only the DICOM number counts.
    done = answers.reading(result=results.result(image=1, sop_instance_uid="1.2.3.2"))
    page = open_page(Scenario(openings=[answers.opening(images=images)], readings=[done]))
    wait_for_image(page)
    diagnose(page)
    expect(page.get_by_role("switch", name="Heat map")).to_be_disabled()
    page.get_by_role("button", name="Show image 2").click()
    expect(page.get_by_role("switch", name="Heat map")).to_be_enabled()


@pytest.mark.parametrize("uid", ["9.9.9", None])
def test_the_heat_map_of_an_image_that_is_not_shown_is_offered_nowhere(
    open_page: OpenPage, fake: FakePlugin, uid: str | None
) -> None:
    done = answers.reading(result=results.result(sop_instance_uid=uid))
    page = read(open_page, Scenario(readings=[done]))
    expect(page.locator(".heat-note")).to_contain_text("not among those shown")
    expect(page.locator("#heat-bar")).to_be_hidden()
    assert fake.scenarios["sandbox"].asked["heat-map"] == 0


def test_a_heat_map_that_is_no_longer_kept_is_said_and_can_be_made_again(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    page = read(open_page, Scenario(heat_map=404))
    expect(page.locator(".heat-note")).to_contain_text("The heat map is not there any more")
    expect(page.locator("#heat-bar")).to_be_hidden()
    fake.scenarios["sandbox"].heat_map = phantom.heat_map_png()
    page.get_by_role("button", name="Read again").click()
    expect(page.locator("#heat-bar")).to_be_visible()
    assert [name for name, _ in fake.scenarios["sandbox"].posted].count("reading") == 2
