"""The README's pictures, taken while a campaign is really being sent: ``make screenshots``."""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from playwright.sync_api import expect
from sqlalchemy import select

from mailing.accounts.roles import Role
from mailing.addresses import parsing as addresses
from mailing.bounces import tokens
from mailing.campaigns.drafts import Draft
from mailing.core import tables
from mailing.core.states import RecipientState
from mailing.messages import message_ids
from mailing.schedules.schedule import Schedule
from mailing.senders import store as senders
from mailing.senders.entries import Entry
from mailing.senders.routes import Route
from mailing.settings import ROOT
from tasks.commands import bounces as returned
from tasks.commands import campaigns, lists
from tasks.commands.accounts import people
from tests.browser import chromium
from tests.browser.acts import mark, sign_in
from tests.support import bounces, domains
from tests.support.smtp_server import FakeServer, Transaction, serving
from tests.support.stack import PERSON, Stack, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.sync_api import Browser, Page

FOLDER = ROOT / "docs"
SIZE = {"width": 1280, "height": 860}
SMALL = {"width": 1280, "height": 620}
TALL = {"live", "people", "columns", "receipt", "received", "domain"}
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
RETURNS = {  # place among the sent recipients -> what comes back later
    7: ("5.1.1", "550 5.1.1 The email account that you tried to reach does not exist"),
    19: ("5.2.2", "552 5.2.2 Mailbox full"),
    31: ("5.1.1", "550 5.1.1 <>: Recipient address rejected: User unknown"),
    47: ("5.7.1", "554 5.7.1 Message rejected for its content"),
}
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


def fail(stack: Stack) -> int:
    """Send a campaign until its failure limit pauses it; return its id."""
    listed = [it.replace("@", "+bounce@") if n % 6 == 2 else it for n, it in enumerate(recipients()[50:])]
    campaign_id = stack.send(DRAFT, [it for it in listed if not LASTING.search(it)])
    stack.wait_for(campaign_id, "paused")
    return campaign_id


def refuse(stack: Stack, server: FakeServer) -> int:
    """Send a campaign by a server at which one receiver wants silence; return its id."""
    with stack.db.write() as connection:
        entry = Entry("Relay", "127.0.0.1", server.port, tls="none")
        sender_id = senders.create(connection, entry, stack.settings.secret_key)
    domains = ("gmail.com", "school.example", "club.example", "parks.example")
    listed = addresses.parse_pasted(
        "\n".join(f"member{n}@{domains[n % len(domains)]}" for n in range(PEOPLE))
    )
    draft = replace(DRAFT, route=Route((sender_id,)))
    campaign_id = campaigns.store(stack.db, PERSON, draft, listed, send=True).campaign_id
    stack.wait_for_count(campaign_id, RecipientState.SENT, PEOPLE // 2)
    return campaign_id


def come_back(stack: Stack, campaign_id: int) -> None:
    """Have some of the sent emails of a campaign come back, and two be reported as spam."""
    with stack.db.read() as connection:
        key = tokens.stored(connection).key
        its = tables.recipients.c.campaign_id == campaign_id, tables.recipients.c.state == RecipientState.SENT
        people = connection.execute(
            select(tables.recipients.c.id, tables.recipients.c.email)
            .where(*its)
            .order_by(tables.recipients.c.id)
        ).all()
        token = connection.execute(
            select(tables.campaigns.c.token).where(tables.campaigns.c.id == campaign_id)
        ).scalar_one()
    raw = []
    for place, person in enumerate(people):
        known = message_ids.make(key, token, person.id, "school.example").decode()
        if said := RETURNS.get(place % 150):
            raw.append(bounces.dsn(person.email, *said, message_id=known, number=str(place)))
        elif place % 700 == 1:
            raw.append(bounces.complaint(recipient=person.email, message_id=known))
    returned.take(stack.backend, PERSON, [returned.Message(it) for it in raw], "test")


async def gmail(transaction: Transaction) -> bytes | None:
    """Answer as Gmail does at an unusual rate, for its own addresses; slowly for all others."""
    await asyncio.sleep(0.02)
    if transaction.recipients[0].endswith("@gmail.com"):
        return b"421 4.7.28 Gmail has detected an unusual rate of mail from your DKIM domain\r\n"
    return None


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
        take(pages, readers)
        with serving({"dot": gmail}) as server:
            refused_id = refuse(stack, server)
            take({"lanes": f"/campaigns/{refused_id}"}, readers)
        come_back(stack, refused_id)
        domains.tell_all(stack.db, "school.example", stack.settings.secret_key)
        take({"received": "/received", "domain": "/domains/school.example"}, readers)
        take({"failures": f"/campaigns/{fail(stack)}"}, readers)


def take(pages: Mapping[str, str], readers: Mapping[str, Page]) -> None:
    """Take the pictures of pages, as each reader sees them."""
    for (name, path), (scheme, page) in itertools.product(pages.items(), readers.items()):
        page.set_viewport_size(SIZE if name in TALL else SMALL)
        page.goto(path)
        if name == "schedule":
            page.click("button[commandfor=schedule]")
        if page.locator("#live").count():
            expect(mark(page)).to_have_text("Live")
            page.wait_for_timeout(SETTLE_MS)
        picture = FOLDER / f"{name}-{scheme}.png"
        (page.locator("#lanes") if name == "lanes" else page).screenshot(path=picture)
        sys.stdout.write(f"{picture.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
