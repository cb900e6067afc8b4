"""The pages are for everybody: seen, heard, by keys alone, magnified, still, and in both languages."""

from __future__ import annotations

import gzip
import http.client
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.acts import DRAFT, LIVE, mark, row
from tests.browser.axe import AXE, COLORS, EVERY_RULE, JUDGE, LOOKS, SIZES, VIOLATIONS
from tests.browser.every_page import ACCOUNTS, CAMPAIGN, FOUND, FRAMED, NO_PAGE
from tests.support.web import settings_for
from webapp.app import create_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Page

    from tests.support.stack import Stack

MOVING = """() => [...document.querySelectorAll("*")].filter((element) => {
    const style = getComputedStyle(element);
    const times = `${style.transitionDuration},${style.animationDuration}`;
    return times.split(",").some((text) => parseFloat(text) > 0);
}).map((element) => element.outerHTML.slice(0, 100))"""
FOCUSED = """() => {
    const it = document.activeElement, box = it.getBoundingClientRect(), style = getComputedStyle(it);
    const all = [...document.querySelectorAll("*")];
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height / 2, 20));
    const seen = it.contains(top) || !!top?.contains(it), outlined = style.outlineStyle !== "none";
    return { place: all.indexOf(it), name: it.outerHTML.slice(0, 120), outlined, seen };
}"""
PARTS_OF_PAGES = 3  # judged in so many tests, each within its time on a busy machine
WIDTHS, SCHEMES = (1440, 360, 768, 1920), ("light", "dark")
IN_SHORT = (  # each width, each scheme; `make drills` judges each width in each scheme
    (1440, "light", EVERY_RULE),
    (360, "dark", LOOKS),
    (768, "light", SIZES),
    (1920, "dark", COLORS),
)


@pytest.fixture
def views(request: pytest.FixtureRequest) -> Sequence[tuple[int, str, Sequence[str]]]:
    """The widths and schemes in which a page is judged, and by which rules."""
    if not request.config.getoption("--long", default=False):
        return IN_SHORT
    first, *others = ((width, scheme) for width in WIDTHS for scheme in SCHEMES)
    return [(*first, EVERY_RULE), *((*view, LOOKS) for view in others)]


def test_no_page_is_forgotten(tmp_path):
    app = create_app(settings_for(tmp_path, f"sqlite:///{tmp_path / 'volley.sqlite'}"))
    rules = {rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert {rule for rule in rules if not NO_PAGE.search(rule)} == set(FOUND) | ACCOUNTS | FRAMED


@pytest.mark.parametrize("part", range(PARTS_OF_PAGES))
@pytest.mark.parametrize("locale", LIVE)
def test_no_page_breaks_a_rule_of_accessibility(
    open_page, paths: dict[str, str], views: Sequence[tuple[int, str, Sequence[str]]], locale: str, part: int
):
    """Each page is loaded once and seen in each view; what depends on no width or theme is judged once."""
    page = open_page(locale=locale)
    page.context.add_init_script(path=AXE)
    page.context.add_init_script(VIOLATIONS)
    faults = {}
    for path in [*paths.values()][part::PARTS_OF_PAGES]:
        page.goto(path)
        if page.locator("#live").count():
            expect(mark(page)).to_have_text(LIVE[locale])
        assert page.locator("html").get_attribute("lang") == locale[:2]
        for width, scheme, rules in views:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(JUDGE, rules)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append("It is wider than the window.")
            faults[path, width, scheme] = found
        faults[path, "refused"] = page.evaluate("refused")
    assert {where: found for where, found in faults.items() if found} == {}


def test_the_first_view_of_every_page_is_at_most_60_kb_over_the_wire(stack: Stack, paths: dict[str, str]):
    weights = {path: weight(stack, path) for path in paths.values()}
    assert max(weights.values()) <= 60 * 1024, weights


def weight(stack: Stack, path: str) -> int:
    """Return the bytes of a page and of all that it loads, headers included, as a browser asks for them."""
    line = http.client.HTTPConnection("127.0.0.1", stack.web_port)
    line.request("GET", path, headers={"Accept-Encoding": "gzip", "Accept-Language": "vi"})
    answer = line.getresponse()
    body = answer.read()
    line.close()
    size = len(body) + len(answer.headers.as_bytes())
    if "text/html" not in answer.headers["Content-Type"]:
        return size
    html = gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body
    loaded = set(re.findall(r'(?:src|href|data-icon)="(/(?:static|icons)/[^"]*)"', html.decode()))
    return size + sum(weight(stack, file) for file in loaded)


def test_a_broken_rule_is_found(page: Page):
    """Or the test above would prove nothing."""
    page.context.add_init_script(path=AXE)
    page.goto("/")
    page.evaluate(
        "document.documentElement.removeAttribute('lang'); document.querySelector('h1').style.color = '#ccc'"
    )
    assert {fault.split(" | ")[0] for fault in page.evaluate(JUDGE, EVERY_RULE)} == {
        "html-has-lang",
        "color-contrast",
    }


def test_dialogs_obey_the_rules_too(page: Page, paths: dict[str, str]):
    page.context.add_init_script(path=AXE)
    page.goto(f"{paths[CAMPAIGN]}?state=deferred")
    page.get_by_role("button", name="Retry 1 deferred").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert page.evaluate(JUDGE, EVERY_RULE) == []
    page.keyboard.press("Escape")
    page.locator("body").press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    assert page.evaluate(JUDGE, EVERY_RULE) == []


def test_a_dialog_keeps_the_focus_inside_stays_open_while_the_page_changes_and_gives_it_back(
    page: Page, stack: Stack
):
    campaign_id = stack.send(DRAFT, [f"p{n}+slow@one.example" for n in range(40)])
    page.goto(f"/campaigns/{campaign_id}")
    expect(mark(page)).to_have_text("Live")
    opener = page.get_by_role("button", name="Cancel…")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Cancel the remaining")
    expect(dialog.get_by_role("button", name="Keep campaign")).to_be_focused()
    before = dialog.get_by_role("heading").inner_text()
    expect(dialog.get_by_role("heading")).not_to_have_text(before)
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('dialog, body').id") in {"confirm-cancel", ""}
        assert page.evaluate("document.querySelector('dialog:modal').open")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


@pytest.mark.parametrize("width", [320, 640])  # 400 % and 200 % of 1280
def test_a_magnified_page_is_read_without_scrolling_sideways(open_page, paths: dict[str, str], width: int):
    page = open_page(viewport={"width": width, "height": 480})
    for path in paths.values():
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_nothing_moves_for_those_who_want_it_still(open_page, paths: dict[str, str]):
    page = open_page(reduced_motion="reduce")
    for path in paths.values():
        page.goto(path)
        assert page.evaluate(MOVING) == [], path


def test_tab_goes_through_a_page_in_its_order_and_shows_where_it_is(page: Page, paths: dict[str, str]):
    for path in list(paths.values())[:7]:
        page.goto(path)
        last = -1
        for _ in range(25):
            page.keyboard.press("Tab")
            now = page.evaluate(FOCUSED)
            if last > now["place"] and ("<body" in now["name"] or 'class="skip"' in now["name"]):
                break  # it begins anew
            assert now["place"] >= last, now  # a date has several stops
            assert now["outlined"] or now["place"] == last, now
            assert now["seen"], now
            last = now["place"]
        assert last > 0


def test_the_first_stop_leads_past_the_head(page: Page):
    page.goto("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_keys_search_move_open_pause_and_help(page: Page, paths: dict[str, str]):
    page.goto(paths[CAMPAIGN])
    expect(mark(page)).to_have_text("Live")
    page.keyboard.press("/")
    search = page.locator("main").get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type("/jp?")
    expect(search).to_have_value("/jp?")
    expect(page).to_have_url(re.compile("jp"))  # the list was swapped
    expect(mark(page)).to_have_text("Live")
    search.fill("")
    expect(page).not_to_have_url(re.compile("jp"))
    expect(row(page, "dan+drop@one.example")).to_be_visible()
    search.blur()
    page.keyboard.press("p")
    expect(mark(page)).to_have_text("Updates paused")
    page.keyboard.press("Control+p")
    page.keyboard.press("p")
    expect(mark(page)).to_have_text("Live")
    first, second = page.locator("#list tbody tr:visible th a").all_inner_texts()[:2]
    for key, email in (("j", first), ("j", second), ("k", first)):
        page.keyboard.press(key)
        assert row(page, email).evaluate("row => row.contains(document.activeElement)"), (key, email)
    page.goto("/campaigns")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/campaigns/\d+$"))
    page.wait_for_load_state()  # an address comes before the page that hears keys
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_keys_can_be_switched_off_for_good(page: Page, paths: dict[str, str]):
    page.goto(paths[CAMPAIGN])
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Turn off shortcuts").check()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.reload()
    page.locator("body").press("/")
    expect(page.locator("main").get_by_role("searchbox")).not_to_be_focused()
    page.locator("body").press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False])
def test_language_and_theme_are_chosen_and_kept(open_page, paths: dict[str, str], scripts: bool):
    page = open_page(java_script_enabled=scripts, locale="fr-FR", color_scheme="dark")
    page.goto(paths[CAMPAIGN])
    page.get_by_role("button", name="Tiếng Việt").click()
    expect(page).to_have_url(re.compile(re.escape(paths[CAMPAIGN]) + "$"))
    expect(page.get_by_role("heading", name="Vấn đề khi gửi")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "vi")
    page.get_by_role("button", name="Sáng").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.goto("/campaigns")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    expect(page.get_by_role("heading", name="Chiến dịch", exact=True)).to_be_visible()
    if scripts:
        assert (
            page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            == "rgb(246, 246, 243)"
        )


def test_a_stream_speaks_the_language_of_its_page(open_page, stack: Stack):
    page = open_page(locale="vi-VN")
    campaign_id = stack.send(DRAFT, [f"p{n}+slow@one.example" for n in range(6)])
    page.goto(f"/campaigns/{campaign_id}")
    expect(mark(page)).to_have_text("Trực tiếp")
    stack.wait_for(campaign_id)
    expect(page.locator("#head")).to_contain_text("Hoàn tất")
    expect(page.locator(".lead")).to_contain_text("6 đã giao tới máy chủ nhận")
    expect(page.locator("main")).not_to_contain_text(re.compile("Sent|Finished|accounted"))


def test_a_printed_campaign_has_its_whole_ledger_and_no_buttons(open_page, paths: dict[str, str]):
    page = open_page(color_scheme="dark")
    page.goto(paths[CAMPAIGN])
    page.emulate_media(media="print")
    expect(page.locator("#ledger .states a")).to_have_count(9)
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.documentElement).color") == "rgb(0, 0, 0)"
    for part in page.locator("button, nav.top, .live, .foot, input").all():
        assert not part.is_visible(), part.evaluate("it => it.outerHTML")
