"""The wall in a real browser: a cell shows its recipient's state, and leads to the recipient."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import picnics
from tests.browser.acts import mark
from tests.browser.picnics import FAILED, Picnic, whole
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.stack import Stack

PARTS = picnics.PARTS
COLOUR = """(state) => {
    const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    probe.drawImage(document.querySelector("#wall canvas"), -40, -12); // beside its corner and its shape
    const pixel = probe.getImageData(0, 0, 1, 1).data;
    const sample = document.querySelector(`.legend [data-state=${state}] i`);
    const [r, g, b] = getComputedStyle(sample).backgroundColor.match(/[0-9]+/g).map(Number);
    return Math.abs(pixel[0] - r) + Math.abs(pixel[1] - g) + Math.abs(pixel[2] - b) < 12;
}"""

SHIFTS = """
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const shift of list.getEntries()) shifted += shift.value;
    }).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def picnic(stack: Stack) -> Picnic:
    """A campaign of nine."""
    return Picnic.of(whole(stack), (f"p{n}@one.example" for n in range(9)))


def shows(page: Page, state: str) -> None:
    """Expect the colour of ``state``, as the legend has it, in the first cell."""
    wait_until(lambda: page.evaluate(COLOUR, state), f"the first cell shows {state}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_cell_takes_the_colour_of_its_state_and_leads_to_its_recipient(open_page, picnic, scheme):
    page = open_page(color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1280, "height": 800})
    picnic.watch(page, "/wall")
    shows(page, "queued")
    ids = picnic.end(FAILED, state="failed")
    shows(page, "failed")
    expect(page.locator(".legend [data-state=failed] b")).to_have_text("1")
    expect(page.locator(".ticker")).to_contain_text("550 5.1.1 user unknown")
    canvas = page.locator("#wall canvas")
    canvas.hover(position={"x": 9, "y": 9})
    expect(page.locator("#under")).to_have_text("Recipient 1 · Failed")
    with page.expect_navigation():
        canvas.click(position={"x": 9, "y": 9})
    expect(page).to_have_url(re.compile(rf"{picnic.path}/recipients/{ids[0]}$"))


def test_a_wall_that_was_cut_off_shows_the_truth_again(open_page, picnic):
    page = open_page(reduced_motion="reduce")
    picnic.watch(page, "/wall")
    picnic.stack.kill("web")
    expect(mark(page)).not_to_have_text("Live")
    picnic.deliver(FAILED)
    picnic.stack.start("web")
    shows(page, "failed")


def test_nothing_shifts_on_a_phone_while_results_come(open_page, picnic):
    page = open_page(viewport={"width": 360, "height": 740})
    page.add_init_script(SHIFTS)
    picnic.watch(page, "/wall")
    for failed in range(1, 4):
        picnic.end(FAILED, state="failed")
        expect(page.locator(".legend [data-state=failed] b")).to_have_text(str(failed))
    assert page.evaluate("shifted") < 0.02
