"""The image: first paint, window and level, zoom, move, inversion; by mouse, touch and keys."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import answers
from tests.browser.conftest import OpenPage
from tests.browser.fake_plugin import FakePlugin, LateFailure, Scenario
from tests.browser.page_probes import mean_grey, next_frame, pixel, wait_for_image

pytestmark = pytest.mark.browser


def shown(open_page: OpenPage, scenario: Scenario | None = None, **options: object) -> Page:
    page = open_page(scenario, **options)
    wait_for_image(page)
    return page


def drag(page: Page, dx: int, dy: int, **options: str) -> None:
    box = page.locator("#viewport").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down(**options)
    page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up(**options)


def corner(page: Page, name: str) -> str:
    return page.locator(f"#corner-{name}").inner_text()


def test_the_jpeg_shows_although_the_grey_values_never_come(open_page: OpenPage) -> None:
    page = open_page(Scenario(values=503))
    expect(page.get_by_text("Brightness and contrast cannot be changed")).to_be_visible()
    assert mean_grey(page) > 20
    expect(page.locator("[data-action=invert]")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("[data-action=zoom-in]")).to_have_attribute("aria-disabled", "false")


def test_a_picture_that_cannot_be_drawn_is_said(open_page: OpenPage) -> None:
    page = open_page(Scenario(jpeg=b"half a picture"))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The image cannot be shown")
    expect(alert.get_by_role("button", name="Try again")).to_be_visible()


def test_grey_values_of_the_wrong_length_are_not_drawn(open_page: OpenPage) -> None:
    page = open_page(Scenario(values=b"\0" * 10))
    expect(page.get_by_text("Brightness and contrast cannot be changed")).to_be_visible()
    assert mean_grey(page) > 20


def test_grey_values_look_as_the_jpeg_does(open_page: OpenPage) -> None:
    drawn_by_server = open_page(Scenario(values=503), name="jpeg")
    expect(drawn_by_server.get_by_text("Brightness and contrast")).to_be_visible()
    drawn_here = shown(open_page, name="values")
    assert mean_grey(drawn_here) == pytest.approx(mean_grey(drawn_by_server), abs=1.5)


def test_dragging_up_brightens_and_down_darkens(open_page: OpenPage) -> None:
    page = shown(open_page)
    before = mean_grey(page)
    drag(page, 0, -60)
    assert mean_grey(page) > before + 5
    drag(page, 0, 120)
    assert mean_grey(page) < before - 5


def test_dragging_up_brightens_an_image_stored_inverted_too(open_page: OpenPage) -> None:
    values = answers.image()["values"] | {"inverted": True}
    scenario = Scenario(openings=[answers.opening(images=[answers.image(values=values)])])
    page = shown(open_page, scenario)
    before = mean_grey(page)
    drag(page, 0, -60)
    assert mean_grey(page) > before + 5


def test_dragging_right_widens_the_window(open_page: OpenPage) -> None:
    page = shown(open_page)
    assert corner(page, "window") == "Level 2048  Width 3000"
    drag(page, 80, 0)
    level, width = corner(page, "window").split("  ")
    assert level == "Level 2048"
    assert int(width.removeprefix("Width ")) > 3000


def test_level_and_width_change_with_the_sliders(open_page: OpenPage) -> None:
    page = shown(open_page)
    before = mean_grey(page)
    page.get_by_role("button", name="Levels").click()
    page.get_by_label("Level", exact=True).press("Home")
    assert mean_grey(page) > before + 20
    page.get_by_label("Width", exact=True).press("Home")
    assert corner(page, "window").endswith("Width 1")


def test_invert_swaps_black_and_white_and_reset_undoes_everything(open_page: OpenPage) -> None:
    page = shown(open_page)
    red, *_ = original = pixel(page)
    page.get_by_role("button", name="Invert").click()
    assert pixel(page)[0] == pytest.approx(255 - red, abs=1)
    expect(page.get_by_role("button", name="Invert")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Zoom in").click()
    drag(page, 60, 40)
    page.get_by_role("button", name="Reset").click()
    assert pixel(page) == original
    assert corner(page, "zoom") == "Zoom ×1.0"
    assert corner(page, "window") == "Level 2048  Width 3000"


def test_wheel_and_buttons_zoom_and_fit_returns(open_page: OpenPage) -> None:
    page = shown(open_page)
    page.locator("#viewport").hover()
    page.mouse.wheel(0, -400)
    assert corner(page, "zoom") == "Zoom ×1.8"
    page.get_by_role("button", name="Zoom out").click()
    assert corner(page, "zoom") == "Zoom ×1.3"
    page.get_by_role("button", name="Fit").click()
    assert corner(page, "zoom") == "Zoom ×1.0"


def test_the_wheel_keeps_what_lies_under_the_pointer(open_page: OpenPage) -> None:
    page = shown(open_page)
    box = page.locator("#viewport").bounding_box()
    before = pixel(page, 0.4, 0.3)
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.3)
    page.mouse.wheel(0, -300)
    assert pixel(page, 0.4, 0.3)[0] == pytest.approx(before[0], abs=12)


def test_the_move_tool_and_the_right_button_move_the_image(open_page: OpenPage) -> None:
    page = shown(open_page)
    before = pixel(page, 0.5, 0.02)
    drag(page, 0, 120, button="right")
    assert pixel(page, 0.5, 0.02) == (0, 0, 0) != before
    page.get_by_role("button", name="Fit").click()
    page.get_by_role("button", name="Move").click()
    drag(page, 0, 120)
    assert pixel(page, 0.5, 0.02) == (0, 0, 0)
    assert corner(page, "window") == "Level 2048  Width 3000"


def test_the_image_cannot_be_lost_out_of_the_viewport(open_page: OpenPage) -> None:
    page = shown(open_page)
    page.get_by_role("button", name="Move").click()
    for _ in range(4):
        drag(page, 350, 300)
    assert mean_grey(page) > 2


def test_two_fingers_zoom(open_page: OpenPage) -> None:
    page = shown(open_page, has_touch=True)
    box = page.locator("#viewport").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)

    def send(kind: str, spread: int) -> None:
        points = [{"x": x - spread, "y": y, "id": 1}, {"x": x + spread, "y": y, "id": 2}]
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [] if kind == "touchEnd" else points},
        )

    send("touchStart", 50)
    send("touchMove", 75)
    send("touchMove", 100)
    send("touchEnd", 0)
    assert corner(page, "zoom") == "Zoom ×2.0"
    assert corner(page, "window") == "Level 2048  Width 3000"


def test_every_tool_has_a_key(open_page: OpenPage) -> None:
    page = shown(open_page)
    viewport = page.locator("#viewport")
    original = pixel(page)
    viewport.press("+")
    assert corner(page, "zoom") == "Zoom ×1.3"
    viewport.press("-")
    viewport.press("-")
    assert corner(page, "zoom") == "Zoom ×0.8"
    viewport.press("0")
    assert corner(page, "zoom") == "Zoom ×1.0"
    viewport.press("i")
    assert pixel(page)[0] == pytest.approx(255 - original[0], abs=1)
    viewport.press("Shift+ArrowUp")
    viewport.press("Shift+ArrowRight")
    assert corner(page, "window") != "Level 2048  Width 3000"
    for _ in range(3):
        viewport.press("ArrowUp")
    assert pixel(page, 0.5, 0.02) == (0, 0, 0)
    viewport.press("r")
    assert pixel(page) == original


@pytest.mark.parametrize(
    ("left_edge", "marks", "words"),
    [
        ("R", ["R", "L"], "the patient's right side is at the left edge"),
        ("L", ["L", "R"], "the patient's left side is at the left edge"),
        (None, ["", ""], "the image does not state which side is which"),
    ],
)
def test_the_sides_of_the_patient_are_marked_on_the_image(
    open_page: OpenPage, left_edge: str | None, marks: list[str], words: str
) -> None:
    images = [answers.image(left_edge=left_edge)]
    page = shown(open_page, Scenario(openings=[answers.opening(images=images)]))
    expect(page.locator(".side-mark")).to_have_text(marks)
    unknown = "" if left_edge else "Side not stated"
    expect(page.locator("#side-unknown")).to_have_text(unknown)
    assert words in (page.locator("#viewport").get_attribute("aria-label") or "")


def test_an_image_that_fails_late_does_not_close_the_one_chosen_since(open_page: OpenPage) -> None:
    images = [answers.image(1), answers.image(2)]
    late = LateFailure()
    opening = answers.opening(images=images)
    page = shown(open_page, Scenario(openings=[opening], late_jpegs={2: late}))
    page.get_by_role("button", name="Image 2").click()
    assert late.asked.wait(10)
    page.get_by_role("button", name="Image 1").click()
    wait_for_image(page)
    with page.expect_response("**/images/2.jpg"):
        late.answer.set()
    next_frame(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    assert mean_grey(page) > 20


def test_several_images_are_chosen_by_name(open_page: OpenPage) -> None:
    images = [
        answers.image(1),
        answers.image(2, view="LL", view_label="Left lateral", age=None, identity="unverifiable"),
    ]
    page = shown(open_page, Scenario(openings=[answers.opening(images=images)]))
    expect(page.locator("#identity")).to_contain_text("Patient and image agree")
    page.get_by_role("button", name="Image 2 · Left lateral").click()
    expect(page.locator("#study-facts")).to_contain_text("Left lateral")
    expect(page.locator("#study-facts")).to_contain_text("Age at imagenot stated")
    expect(page.locator("#identity")).to_contain_text("compare name and birth date yourself")


def test_another_sex_on_the_image_is_not_called_agreement(open_page: OpenPage) -> None:
    images = [answers.image(identity="sex_differs")]
    page = shown(open_page, Scenario(openings=[answers.opening(images=images)]))
    expect(page.locator("#identity")).to_contain_text("the image states another sex")
    assert "agree" not in page.locator("#identity").inner_text().replace("number agrees", "")


def test_values_are_fetched_once_however_the_window_changes(
    open_page: OpenPage, fake: FakePlugin
) -> None:
    page = shown(open_page)
    for _ in range(3):
        drag(page, 30, 30)
    assert fake.scenarios["sandbox"].asked["values"] == 1


def test_a_window_change_is_drawn_within_a_frame_or_two(open_page: OpenPage) -> None:
    page = shown(open_page)
    took = page.evaluate(
        """async () => {
            const { greyTable, paint } = await import("/static/viewer/grey_levels.js");
            const values = new Uint16Array(1024 * 1024).map((_, i) => i % 4096);
            const target = new Uint32Array(values.length);
            const times = [];
            for (let i = 0; i < 9; i += 1) {
                const start = performance.now();
                paint(values, greyTable({ centre: 2000 + i, width: 3000 }, false), target);
                times.push(performance.now() - start);
            }
            return times.sort((a, b) => a - b)[0];
        }"""
    )
    # The best of nine: a loaded machine must not fail the test, a slow algorithm must.
    assert took < 33
