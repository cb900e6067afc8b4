"""The README's pictures, taken while a campaign is really being sent: ``make screenshots``."""

from __future__ import annotations

import itertools
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import expect

from mailing.accounts.roles import Role
from mailing.addresses import parsing as addresses
from mailing.campaigns.drafts import Draft
from mailing.schedules.schedule import Schedule
from mailing.settings import ROOT
from tasks.commands import campaigns, lists, people
from tests.browser import chromium
from tests.browser.acts import mark, sign_in
from tests.support.stack import PERSON, Stack, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = ROOT / "docs"
SIZE = {"width": 1280, "height": 860}
SMALL = {"width": 1280, "height": 620}
SETTLE_MS = 2_500  # two beats of a worker tell its rate
PEOPLE = 2_000
DRAFT = Draft(
    "Ann Lee <ann@school.example>",
    "Spring picnic on Saturday",
    "Dear {{ name }},\n\nthe picnic is on Saturday at noon, in the park behind the school.\n"
    "Please bring a blanket.\n\nYours,\nAnn",
)
NAMES = ("Anna Ng", "Ben Ortiz", "Carl Lee", "Dora Kim", "Eve Sato", "Frida Holm", "Gil Amar", "Hal Roy")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TEAM = {
    "anna@school.example": Role.MANAGER,
    "ben@school.example": Role.WRITER,
    "carl@school.example": Role.VIEWER,
}
ENDINGS = {3: "+bounce", 5: "+later", 11: "+full", 17: "+drop"}  # place in the list -> the inbox's answer
LASTING = re.compile(r"[+](later|full|slow)@")  # who is not done with at once


def recipients() -> list[str]:
    """A list with every answer of the demo inbox near its top; the slow ones give time for the picture."""
    lines = []
    for n in range(PEOPLE):
        name = NAMES[n % len(NAMES)]
        ending = ENDINGS.get(n, "+slow" if n % 12 == 0 and n > 50 else "")
        lines.append(f"{name} <{name.lower().replace(' ', '.')}{n or ''}{ending}@one.example>")
    return lines


def invite(stack: Stack) -> None:
    """Give a small team accounts, and let one invitation wait."""
    stack.add_owner()
    for email, role in TEAM.items():
        people.add(stack.backend, PERSON, email, role, "")
    people.invite(stack.backend, PERSON, "dora@school.example", Role.VIEWER)


def plan(stack: Stack) -> int:
    """Schedule a campaign for a December; return its id."""
    schedule = Schedule.of(1_922_317_200_000, "Asia/Ho_Chi_Minh", "08:00-20:00")
    draft = replace(DRAFT, schedule=schedule)
    listed = addresses.parse_pasted("\n".join(recipients()))
    return campaigns.store(stack.db, PERSON, draft, listed, send=True).campaign_id


def signed_in(browser: Browser, stack: Stack, scheme: Literal["light", "dark"]) -> Page:
    """The owner's page."""
    page = browser.new_page(base_url=stack.url, color_scheme=scheme)
    page.goto("/sign-in")
    sign_in(page)
    return page


def main() -> None:
    """Take the pictures of the main pages, in light and in dark."""
    browser_path = chromium.find()
    if browser_path is None:
        sys.exit(f"None of {', '.join(chromium.NAMES)} is installed. Install Chromium first.")
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(Path(folder), workers=3, connections=4) as stack,
        chromium.launched(browser_path) as browser,
    ):
        invite(stack)
        stack.start("redis", "inbox", "worker", "beat", "web")
        readers = {scheme: signed_in(browser, stack, scheme) for scheme in SCHEMES}
        done_id = stack.send(DRAFT, [it for it in recipients()[:400] if not LASTING.search(it)])
        stack.wait_for(done_id)
        sent_id = stack.send(DRAFT, recipients())
        wait_until(lambda: stack.campaign(sent_id).counts["sent"] > PEOPLE // 2, "half of it is sent")
        pages = {"live": f"/campaigns/{sent_id}", "overview": "/", "workers": "/workers"}
        pages["recipient"] = f"/campaigns/{sent_id}/recipients/{min(ENDINGS) + 1}"
        pages["receipt"] = f"/campaigns/{done_id}/receipt"
        pages["people"] = "/people"
        with (ROOT / "tests/lists/members.xlsx").open("rb") as file:
            pages["columns"] = f"/lists/imports/{lists.upload(stack.backend, PERSON, 'members.xlsx', file)}"
        pages["schedule"] = f"/campaigns/{plan(stack)}"
        for (name, path), (scheme, page) in itertools.product(pages.items(), readers.items()):
            page.set_viewport_size(SIZE if name in {"live", "people", "columns", "receipt"} else SMALL)
            page.goto(path)
            if name == "schedule":
                page.click("button[commandfor=schedule]")
            if page.locator("#live").count():
                expect(mark(page)).to_have_text("Live")
                page.wait_for_timeout(SETTLE_MS)
            picture = FOLDER / f"{name}-{scheme}.png"
            page.screenshot(path=picture)
            sys.stdout.write(f"{picture.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
