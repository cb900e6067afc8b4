"""A message is written in each editor, and every mark of it is found again after a switch and a reload."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.web import store

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

    from tests.support.stack import Stack

PARTS = ("redis", "web")
MARKS = (
    '{{ name|default("friend") }}',
    "{% if n > 1 and city != 'Ulm' %}",
    "{% else %}",
    "{% endif %}",
    "{% if vip %}",
    '{{ offer or "none" }}',
    "{{ link }}",
    "{{ title }}",
)
BODY = (
    """<p>Dear {{ name|default("friend") }}, """
    """{% if n > 1 and city != 'Ulm' %}come{% else %}stay{% endif %} Ê &amp; é.</p>\n"""
    '<table style="width: 100%;"><tbody>\n'
    '{% if vip %}<tr><td bgcolor="#eeeeee">{{ offer or "none" }}</td></tr>{% endif %}\n'
    "</tbody></table>\n"
    '<p><a title="{{ title }}" href="{{ link }}">See it</a></p>'
)


@pytest.fixture
def writer(page: Page, stack: Stack) -> Page:
    """The form of a draft whose list has fields."""
    draft = store(stack.db, "name,email,city,vip\nBob,bob@one.example,Bonn,1")
    page.goto(f"/campaigns/{draft}/edit")
    return page


def choose(page: Page, way: str) -> None:
    page.get_by_role("radio", name=way, exact=True).check()


def switch(page: Page, way: str) -> None:
    """Choose a way that loses something, and say yes."""
    choose(page, way)
    dialog = page.get_by_role("dialog", name="Switch the editor?")
    expect(dialog.locator("[data-lost]:visible")).to_have_count(1)
    dialog.get_by_role("button", name="Switch").click()


def paste(page: Page, text: str) -> None:
    """Put a text into the editor of sources, in the place of all that was there."""
    page.locator(".source").press("Control+a")
    page.locator(".source").evaluate(
        """(box, text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            box.dispatchEvent(new ClipboardEvent("paste", { clipboardData, cancelable: true }));
        }""",
        text,
    )


def paper(page: Page) -> FrameLocator:
    return page.frame_locator("iframe.visual").frame_locator("iframe")


def body(page: Page) -> str:
    return page.locator("#html").input_value()


def found(text: str, marks: tuple[str, ...] = MARKS) -> list[str]:
    return [mark for mark in marks if mark in text]


def test_every_mark_outlasts_each_editor_each_switch_and_a_reload(writer: Page):
    page = writer
    choose(page, "HTML")
    source = page.locator(".source")
    paste(page, BODY)
    assert body(page).strip() == BODY
    expect(source.locator(".t-mark").first).to_have_text(MARKS[0])

    choose(page, "Visual")
    expect(paper(page).get_by_text("Dear")).to_be_visible()
    assert body(page).strip() == BODY  # looking changes nothing
    paper(page).get_by_text("See it").click()
    page.keyboard.press("End")
    page.keyboard.type(" soon, {{ city }}")
    expect(page.locator("#html")).to_have_value(re.compile("soon, {{ city }}"))
    assert found(body(page)) == list(MARKS)
    assert 'bgcolor="#eeeeee"' in body(page)
    assert "Ê" in body(page)
    frame = page.frame_locator("iframe.visual")
    frame.get_by_role("button", name="Merge field").click()
    frame.get_by_role("menuitem", name="{{ vip }}").click()
    expect(page.locator("#html")).to_have_value(re.compile("{{ vip }}"))
    written = body(page)

    choose(page, "HTML")
    expect(source).to_be_visible()
    assert body(page) == written
    switch(page, "MJML")
    assert found(body(page)) == list(MARKS)
    choose(page, "HTML")  # nothing was written since: it comes back
    assert body(page) == written
    switch(page, "Markdown")
    assert found(body(page), MARKS[:-1]) == list(MARKS[:-1])
    source.press("Control+End")
    page.keyboard.type("\n\n**Bring** {{ email }}")
    expect(page.locator("#html")).to_have_value(re.compile(r"\*\*Bring\*\* {{ email }}"))
    last = body(page)
    with page.expect_navigation():
        page.get_by_role("button", name="Save and review").click()
    page.goto(page.url + "/edit")
    expect(page.locator(".source")).to_contain_text("{{ email }}")
    page.reload()
    assert body(page).strip() == last.strip()
    expect(page.get_by_role("radio", name="Markdown")).to_be_checked()


def test_whoever_keeps_it_as_it_is_loses_nothing(writer: Page):
    choose(writer, "HTML")
    paste(writer, "<html><head><style>p { color: red }</style></head><body><p>Hi</p></body></html>")
    before = body(writer)
    expect(writer.locator("#html")).to_have_value(re.compile("color: red"))
    choose(writer, "Visual")
    writer.get_by_role("button", name="Keep it as it is").click()
    expect(writer.get_by_role("radio", name="HTML")).to_be_checked()
    assert body(writer) == before


def test_a_broken_mark_is_led_to(writer: Page):
    choose(writer, "HTML")
    paste(writer, "<p>one</p>\n<p>{{ name</p>")
    writer.get_by_role("button", name="Save and review").click()
    writer.get_by_role("alert").get_by_role("link").click()
    expect(writer.locator(".source")).to_be_focused()
    assert writer.evaluate("getSelection().toString()") == "{{"


def test_plain_text_becomes_paragraphs_and_its_fields_go_where_the_cursor_is(writer: Page):
    box = writer.get_by_label("Message")
    box.fill("Dear Bob,\n\n1 < 2")
    box.press("Control+End")
    writer.get_by_role("button", name="city", exact=True).click()
    expect(box).to_have_value("Dear Bob,\n\n1 < 2{{ city }}")
    choose(writer, "Visual")
    expect(paper(writer).locator("p")).to_have_text(["Dear Bob,", "1 < 2{{ city }}"])
    assert body(writer) == "<p>Dear Bob,</p>\n<p>1 &lt; 2{{ city }}</p>"


def test_a_new_campaign_saves_itself_and_outlasts_a_reload(page: Page):
    page.goto("/campaigns/new")
    page.get_by_label("Subject").fill("Picnic")
    expect(page.locator(".saved")).to_have_text(re.compile(r"^Saved \d\d:\d\d"))
    expect(page).to_have_url(re.compile(r"/campaigns/\d+/edit$"))
    page.get_by_label("Message").fill("Dear {{ name }}, bring a blan")
    with page.expect_response(re.compile("autosave$")):
        pass
    page.reload()
    expect(page.get_by_label("Message")).to_have_value("Dear {{ name }}, bring a blan")
    page.get_by_label("From", exact=True).fill("Ann <ann@example.org>")
    page.get_by_label("Recipients", exact=True).fill("bob@one.example")
    page.get_by_role("button", name="Save and review").click()  # at once, whatever is being saved
    expect(page.get_by_role("button", name=re.compile("^Send to 1 person")).first).to_be_visible()


def test_two_writers_of_a_draft_lose_nothing(open_page, stack: Stack):
    draft = store(stack.db, "bob@one.example")
    one, other = open_page(), open_page()
    for page in (one, other):
        page.goto(f"/campaigns/{draft}/edit")
    one.get_by_label("Message").fill("Mine")
    expect(one.locator(".saved")).to_contain_text("Saved")
    other.get_by_label("Message").fill("Theirs")
    expect(other.locator(".saved")).to_contain_text("changed")
    expect(other.get_by_label("Message")).to_have_value("Theirs")
    other.get_by_role("button", name="Save and review").click()
    expect(other.get_by_role("alert")).to_contain_text("changed")
    expect(other.get_by_label("Message")).to_have_value("Theirs")


def test_markdown_goes_on_as_html_in_the_visual_editor(writer: Page):
    choose(writer, "Markdown")
    paste(writer, 'Hi {{ name|default("you") }}\n\n**Bring** [it]({{ link }})')
    switch(writer, "Visual")
    expect(paper(writer).locator("strong")).to_have_text("Bring")
    expect(paper(writer).get_by_role("link")).to_have_attribute("href", "{{ link }}")
    assert '{{ name|default("you") }}' in body(writer)
