"""Who sends, as a person sees and steers it; and what a stranger with a watch link sees."""

from __future__ import annotations

import os
import re
import signal
import time
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from mailing.core.states import RecipientState
from tests.browser.acts import DRAFT, mark
from tests.support.clock import within
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from tests.support.stack import Stack

WORKERS = 2
ADDRESS = re.compile(r"[\w.+%=-]+(@|%40|=40)[\w-]+")
DEATH_S = 5.0  # within which the page must know


def lane(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def drawn_anew(page: Page, name: str) -> None:
    """Wait until the lane tells of another heartbeat."""
    heard = lane(page, name).locator("time")
    expect(heard).not_to_have_attribute("datetime", heard.get_attribute("datetime") or "")


def kill(*pids: int) -> float:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def test_a_killed_worker_turns_lost_within_five_seconds_and_what_it_held_comes_back(page: Page, stack: Stack):
    campaign_id = stack.send(DRAFT, [f"p{n}+slow@one.example" for n in range(120)])
    stack.wait_for_count(campaign_id, RecipientState.SENT, 5)
    page.goto("/workers")
    expect(mark(page)).to_have_text("Live")
    name = stack.alive()[0]
    expect(lane(page, name)).to_contain_text("Sending")
    expect(lane(page, name).get_by_role("link", name="Picnic")).to_be_visible()
    with within(DEATH_S):
        kill(int(name.rpartition(":")[2]))
        expect(lane(page, name)).to_contain_text("Lost")
    expect(lane(page, name)).to_contain_text(re.compile(r"0\semails in progress, left \d+\sunknown"))
    expect(page.locator("#crew .badge").filter(has_text="Sending")).to_have_count(2)  # a successor came
    stack.wait_for(campaign_id, patience_s=60)


def test_workers_whose_supervisor_died_with_them_are_seen_to_be_lost(page: Page, stack: Stack):
    page.goto("/workers")
    expect(mark(page)).to_have_text("Live")
    names = stack.alive()
    with within(DEATH_S):
        stack.kill("worker")
        for name in names:
            expect(lane(page, name)).to_contain_text("Lost")
    expect(page.locator("#crew")).to_contain_text("No worker is running")
    stack.start("worker")
    for name in stack.alive():
        expect(lane(page, name)).to_contain_text("Idle")


def test_a_worker_is_stopped_started_and_widened_from_the_page(page: Page, stack: Stack):
    page.goto("/workers")
    name = stack.alive()[0]
    other = stack.alive()[1]
    lane(page, name).get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", name=f"Pause worker {name}?")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Pause worker").click()
    expect(lane(page, name)).to_contain_text("Paused")
    lane(page, other).get_by_role("button", name="Pause").click()
    expect(page.get_by_role("dialog")).to_contain_text("This is the last active worker")
    page.get_by_role("dialog").get_by_role("button", name="Cancel", exact=True).click()
    page.goto("/")
    expect(page.locator("#needs")).to_contain_text("1\N{NO-BREAK SPACE}of 2 workers is paused")
    page.get_by_role("link", name="View workers").click()
    lane(page, name).get_by_role("button", name="Resume").click()
    expect(lane(page, name)).to_contain_text("Idle")
    lane(page, name).get_by_role("button", name="Connections").click()
    page.get_by_role("dialog").get_by_label("SMTP connections").fill("7")
    drawn_anew(page, name)
    expect(page.get_by_role("dialog").get_by_label("SMTP connections")).to_have_value("7")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(lane(page, name)).to_contain_text(re.compile(r"7\sconnections"))


def test_a_button_keeps_the_focus_while_its_lane_changes(page: Page, stack: Stack):
    page.goto("/workers")
    expect(mark(page)).to_have_text("Live")
    name = stack.alive()[0]
    lane(page, name).get_by_role("button", name="Connections").focus()
    stack.wait_for(stack.send(DRAFT, [f"f{n}+slow@one.example" for n in range(8)]))
    expect(lane(page, name)).to_contain_text("processed")
    drawn_anew(page, name)
    assert page.evaluate("document.activeElement.id").endswith("-size")


def test_a_worker_that_hangs_is_not_said_to_obey(page: Page, stack: Stack):
    page.goto("/workers")
    name = stack.alive()[0]
    pid = int(name.rpartition(":")[2])
    lane(page, name).get_by_role("button", name="Pause").click()
    os.kill(pid, signal.SIGSTOP)  # only now: a lane that turns lost has no such button
    try:
        page.get_by_role("dialog").get_by_role("button", name="Pause worker").click()
        expect(page.get_by_role("heading", name="No answer")).to_be_visible()
    finally:
        os.kill(pid, signal.SIGCONT)
        stack.stop("worker")  # it may obey late, and the other tests need it
        stack.start("worker")


def test_a_stranger_watches_live_sees_no_address_and_is_shut_out_at_once(
    open_page: Callable[..., Page], stack: Stack
):
    page = open_page()
    campaign_id = stack.send(DRAFT, ["x+bounce@one.example", *(f"p{n}+slow@one.example" for n in range(120))])
    page.goto(f"/campaigns/{campaign_id}")
    page.get_by_role("button", name="Share…").click()
    page.get_by_label("Name of the link").fill("Our client")
    page.get_by_role("button", name="Create link").click()
    share = page.get_by_role("dialog", name="Share this campaign")
    expect(share).to_contain_text("work on this computer only")
    url = share.locator("[href*='/watch/']").get_attribute("href")
    stranger = open_page()
    stranger.goto(url or "")
    expect(mark(stranger)).to_have_text("Live")
    stranger.evaluate("window.sameDocument = true")
    before = stranger.locator(".lead b").inner_text()
    expect(stranger.locator(".lead b")).not_to_have_text(before)
    seen = [stranger.content()]
    expect(stranger.locator("#watch .tail")).to_contain_text("p•••@o•••.example")
    expect(stranger.locator("#watch .causes")).to_contain_text("This mailbox doesn't exist")
    seen.append(stranger.content())
    assert not any(ADDRESS.search(html) for html in seen)
    assert stranger.context.cookies() == [] or {c["name"] for c in stranger.context.cookies()} == {"tz"}
    share.get_by_role("button", name="Revoke… Our client").click()
    page.get_by_role("dialog", name="Revoke the link").get_by_role(
        "button", name="Revoke", exact=True
    ).click()
    with within(4):
        expect(stranger.get_by_role("heading", name="This link isn't valid")).to_be_visible()
    assert stranger.evaluate("window.sameDocument") is True
    expect(stranger.locator("main")).not_to_contain_text("Picnic")
    wait_until(lambda: stack.campaign(campaign_id).state == "finished", "it goes on for all others")
