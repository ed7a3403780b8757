"""What the tests measure in a page: pixels, contrast, the way of the focus."""

from __future__ import annotations

from playwright.sync_api import Page

Rgb = tuple[int, int, int]

CONTRAST = """
() => {
  const channel = (byte) => {
    const c = byte / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const colour = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const found = colour(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
    if (node.closest(".visually-hidden, .corner, [aria-disabled=true], :disabled")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [luminance(colour(style.color)), luminance(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) poor.push(`${ratio.toFixed(2)} ${node.textContent.trim()}`);
  }
  return poor;
}
"""


def next_frame(page: Page) -> None:
    """Wait until what was asked for is drawn."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")


def pixel(page: Page, across: float = 0.5, down: float = 0.5) -> Rgb:
    """The colour at a fraction of the canvas."""
    next_frame(page)
    return tuple(
        page.evaluate(
            """([across, down]) => {
                const canvas = document.getElementById("canvas");
                const x = Math.floor(canvas.width * across), y = Math.floor(canvas.height * down);
                return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)];
            }""",
            [across, down],
        )
    )


def mean_grey(page: Page) -> float:
    """How bright the whole viewport is, 0 to 255."""
    next_frame(page)
    return page.evaluate(
        """() => {
            const canvas = document.getElementById("canvas");
            const context = canvas.getContext("2d");
            const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
            let sum = 0;
            for (let i = 0; i < data.length; i += 4) sum += data[i];
            return sum / (data.length / 4);
        }"""
    )


def poor_contrasts(page: Page) -> list[str]:
    """Texts below WCAG 2.2 AA (4.5 to 1; 3 to 1 for large text)."""
    return page.evaluate(CONTRAST)


def focused(page: Page) -> str:
    """The id of what has the focus, or its text."""
    return page.evaluate(
        "() => document.activeElement.id || document.activeElement.innerText.trim()"
    )


def wait_for_image(page: Page) -> None:
    """Wait for the grey values: from then on every tool works."""
    page.wait_for_selector("[data-action=invert][aria-disabled=false]")
