"""A list comes from a spreadsheet's file: its columns checked, its progress followed, its contacts found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from mailing.contacts import lists
from mailing.settings import ROOT
from tests.browser.acts import follow

if TYPE_CHECKING:
    from tests.support.stack import Stack

MEMBERS = ROOT / "tests/lists/members-windows1258.csv"
ROWS = len(MEMBERS.read_bytes().splitlines()) - 1
DROP = """(text) => {
    const files = new DataTransfer();
    files.items.add(new File([text], "dropped.csv", { type: "text/csv" }));
    const form = document.querySelector("form[data-drop]");
    form.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


@pytest.mark.parametrize("width", [360, 1440])
def test_from_a_sample_file_to_a_list(open_page, stack: Stack, width: int):
    name = f"Members at {width}"
    page = open_page(viewport={"width": width, "height": 900})
    page.goto("/lists")
    follow(page.get_by_role("link", name="Import a list"))
    page.get_by_label("Choose a file").set_input_files(MEMBERS)
    follow(page.get_by_role("button", name="Upload and check"))
    expect(page.get_by_label("Encoding")).to_have_value("cp1258")
    expect(page.get_by_label("What column 2 is")).to_have_value("email")
    with page.expect_navigation():
        page.get_by_label("Encoding").select_option("cp1252")
    expect(page.get_by_label("Encoding")).to_have_value("cp1252")
    with page.expect_navigation():
        page.get_by_label("Encoding").select_option("cp1258")
    expect(page.get_by_role("cell", name="Hải Phòng").first).to_be_visible()
    page.get_by_label("Merge field of column 3").fill("town")
    page.get_by_label("Name of the new list").fill(name)
    follow(page.get_by_role("button", name="Import", exact=True))
    page.reload()
    open_list = page.get_by_role("link", name="Open the list")
    expect(open_list).to_be_visible()
    follow(open_list)
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    page.get_by_role("searchbox").fill("binh.vu3")
    follow(page.get_by_role("button", name="Search"))
    follow(page.get_by_role("link", name="binh.vu3@congty.example"))
    expect(page.get_by_label("town")).to_have_value("Hà Nội")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    with stack.db.read() as connection:
        found = lists.named(connection, name)
    assert found is not None
    assert (found.total, found.fields) == (ROWS, ("town",))


def test_a_file_may_be_dropped(open_page):
    page = open_page()
    page.goto("/lists/new")
    with page.expect_navigation():
        page.evaluate(DROP, "Email\nann@one.example\n")
    expect(page.get_by_role("heading", name="Check the columns")).to_be_visible()
    expect(page.get_by_label("Name of the new list")).to_have_value("dropped")
