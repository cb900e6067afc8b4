"""Every page that there is, with something of each state on it, and where it is found."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from mailing.campaigns import drafts, lifecycle
from mailing.contacts import contacts, imports
from mailing.core.states import CampaignAction
from mailing.feedback.providers import Provider
from mailing.library import templates
from mailing.mailboxes import store as mailboxes
from mailing.mailboxes.entries import Entry
from mailing.recipients import listing
from mailing.senders import store as senders
from mailing.senders.presets import PRESETS
from mailing.suppression import leave_tokens, leaving
from mailing.suppression.leave_tokens import Leaver
from mailing.uploads.plans import Format, Plan, PlannedColumn, Role
from mailing.writing.written import Written
from tasks.commands import bounces as bounce_commands
from tasks.commands import lists as list_commands
from tasks.commands import rehearsals
from tasks.commands.bounces import Message
from tests.browser.acts import DRAFT
from tests.support import bounces, domains
from tests.support.feedback import TOPIC
from tests.support.stack import PERSON, wait_until
from tests.support.web import store

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.stack import Stack

KEY = "k" * 32
CAMPAIGN = "/campaigns/{sent}"
FOUND = {  # rule of the application -> an address of it
    "/": "/",
    "/campaigns": "/campaigns",
    "/workers": "/workers",
    "/campaigns/new": "/campaigns/new",
    "/campaigns/<id:campaign_id>": CAMPAIGN,
    "/campaigns/<id:campaign_id>/recipients/<id:recipient_id>": "/campaigns/{sent}/recipients/{recipient}",
    "/campaigns/<id:campaign_id>/replay": "/campaigns/{done}/replay",
    "/campaigns/<id:campaign_id>/receipt": "/campaigns/{done}/receipt",
    "/campaigns/<id:campaign_id>/wall": "/campaigns/{done}/wall",
    "/campaigns/<id:campaign_id>/message": "/campaigns/{done}/message",
    "/campaigns/<id:campaign_id>/preview": "/campaigns/{draft}/preview",
    "/campaigns/<id:campaign_id>/preflight": "/campaigns/{draft}/preflight",
    "/campaigns/<id:campaign_id>/rehearse": "/campaigns/{draft}/rehearse",
    "/campaigns/<id:campaign_id>/test": "/campaigns/{draft}/test",
    "/campaigns/<id:campaign_id>/test/<name>": "{trial}",
    "/watch/<token>": "{watch}",
    "/campaigns/<id:campaign_id>/files": "/campaigns/{draft}/files",
    "/campaigns/<id:campaign_id>/edit": "/campaigns/{draft}/edit",
    "/campaigns/<id:campaign_id>/correct": "/campaigns/{paused}/correct",
    "/history": "/history",
    "/inbox": "/inbox",
    "/inbox/<id:mail_id>": "/inbox/{mail}",
    "/api/docs": "/api/docs",
    "/templates": "/templates",
    "/templates/<id:template_id>": "/templates/{template}",
    "/templates/built-in/<key>": "/templates/built-in/newsletter",
    "/campaigns/<id:campaign_id>/senders": "/campaigns/{draft}/senders",
    "/senders": "/senders",
    "/senders/new": "/senders/new",
    "/senders/<id:sender_id>": "/senders/{sender}",
    "/senders/<id:sender_id>/test/<name>": "{tested}",
    "/suppression": "/suppression",
    "/bounces": "/bounces",
    "/bounces/<id:report_id>": "/bounces/{report}",
    "/webhooks": "/webhooks",
    "/u/<path:token>": "/u/{leaver}",
    "/u/<token>/choices": "/u/{leaver}/choices",
    "/domains": "/domains",
    "/received": "/received",
    "/mailboxes": "/mailboxes",
    "/mailboxes/new": "/mailboxes/new",
    "/mailboxes/<id:mailbox_id>": "/mailboxes/{mailbox}",
    "/domains/<domain>": "/domains/example.org",
    "/lists": "/lists",
    "/lists/new": "/lists/new",
    "/lists/imports/<id:import_id>": "/lists/imports/{upload}",
    "/lists/<id:list_id>": "/lists/{list}",
    "/lists/<id:list_id>/contacts/<id:contact_id>": "/lists/{list}/contacts/{contact}",
}
ACCOUNTS = {  # judged by test_accounts, where somebody signs in
    *("/setup", "/sign-in", "/sign-in/code", "/confirm", "/invitations/<token>", "/people", "/audit"),
    *("/keys", "/account", "/account/totp", "/account/passkeys/new"),
}
MORE = (
    "/campaigns/{draft}",
    "/campaigns/{rehearsal}",
    "/senders/new?preset=gmail",
    "/senders/1",
    "/campaigns/{sent}?state=failed&q=b",
    "/campaigns/{sent}?state=queued",
    "/lists/imports/{imported}",
    "/campaigns/new?lists={list}&minus_lists={list}&field=name&sample=1",
    "/nowhere",
)
LIST = b"Email\nann@one.example\nbob@gmial.com\ninfo@one.example\nno address\n"
NO_PAGE = re.compile(
    r"/api/v1/|/static/|/icons/|^/files/|/stream$|[.](<.*>|eml|jsonl?|csv)$|/tail$|/healthz|/readyz|/html$|/openid"
    r"|/audience$|/connect(ed)?$|/raw$"
)
FRAMED = {"/messages/visual"}  # part of the form: judged by test_editors


def make(browser: Browser, stack: Stack) -> dict[str, str]:
    """Fill every page there is, with something of each state; return its address by that with gaps."""
    fates = ("ann@one.example", "bob+bounce@one.example", "cat+full@one.example", "dan+drop@one.example")
    sent = stack.send(DRAFT, list(fates))
    done = stack.send(DRAFT, ["eve@one.example", "fay+bounce@one.example"])
    stack.wait_for(done)
    draft = store(stack.db, "eve@one.example\nnonsense", DRAFT)
    paused = store(stack.db, "ann@one.example\nbob@two.example", DRAFT)
    with stack.db.write() as connection:  # in one: nobody is mailed
        lifecycle.act(connection, paused, CampaignAction.SEND, checked=drafts.FIRST)
        lifecycle.act(connection, paused, CampaignAction.PAUSE)
    asked = (stack.backend, PERSON, draft, {"bounce": 500}, stack.settings.demo_inbox)
    with ThreadPoolExecutor(1) as elsewhere:  # the browser has an event loop in this thread
        rehearsal = elsewhere.submit(rehearsals.rehearse, *asked).result()
    stack.wait_for(rehearsal)
    wait_until(
        lambda: not stack.campaign(sent).counts["queued"] + stack.campaign(sent).counts["sending"], "tried"
    )
    with stack.db.write() as connection:
        template = templates.save(
            connection,
            "Picnic",
            Written(sender_from="", subject="Picnic", html="<p>Dear {{ name }}</p>"),
            "Ann",
        )
    with stack.db.write() as connection:  # cat, who is tried again, moves nothing under a test
        connection.exec_driver_sql("UPDATE recipients SET due_at = due_at + 86400000 WHERE due_at > 0")
    page = browser.new_page(base_url=stack.url)
    page.goto(f"/campaigns/{sent}")
    page.get_by_role("button", name="Share…").click()
    page.get_by_label("Name of the link").fill("Ben")
    page.get_by_role("button", name="Create link").click()
    watch = page.locator("[href*='/watch/']").first.get_attribute("href")
    page.goto(f"/campaigns/{draft}/test")
    page.get_by_label("Send to").fill("me@one.example")
    page.get_by_role("button", name="Send test").click()
    expect(page.get_by_text("Accepted by")).to_be_visible()
    trial = page.url.removeprefix(stack.url)
    with stack.db.write() as connection:
        sender = senders.create(
            connection, PRESETS["gmail"].entered(username="a@b.example", client_id="c"), KEY
        )
        mailbox = mailboxes.create(
            connection,
            Entry("Bounces", "imap.example.org", 993, "b@example.org", password="p"),
            KEY,
        )
    page.goto("/senders/1")
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_text("It works")).to_be_visible()
    tested = page.url.removeprefix(stack.url)
    page.close()
    with stack.db.read() as connection:
        bob = listing.recipients_page(connection, sent, limit=2).rows[-1]
        leaver = leave_tokens.seal(leaving.key(connection), Leaver(sent, bob.id, "News", bob.email))
    domains.tell_all(stack.db, "example.org", KEY)
    ids = bring(stack) | {
        "leaver": leaver,
        "report": came_back(stack),
        "sent": sent,
        "done": done,
        "draft": draft,
        "paused": paused,
        "rehearsal": rehearsal,
        "template": template,
        "mail": 1,
        "watch": watch,
        "recipient": bob.id,
        "trial": trial,
        "sender": sender,
        "mailbox": mailbox,
        "tested": tested,
    }
    return {path: path.format_map(ids) for path in (*FOUND.values(), *MORE)}


def came_back(stack: Stack) -> int:
    """Have reports come back, and a webhook of each kind; return a report."""
    some = (
        bounces.dsn(status="5.2.2", diagnostic="552 5.2.2 Mailbox full"),
        bounces.QMAIL,
        bounces.complaint(),
        bounces.VACATION,
    )
    done = bounce_commands.take(stack.backend, PERSON, [Message(raw) for raw in some], "test")
    for provider in (Provider.SES, Provider.SENDGRID, Provider.POSTMARK):
        bounce_commands.create_webhook(
            stack.backend, PERSON, provider, TOPIC if provider == "ses" else "", KEY
        )
    return done[0].id


def bring(stack: Stack) -> dict[str, int]:
    """A file whose columns are to be checked, and one that is imported, with something to correct."""
    upload, imported = (
        list_commands.upload(stack.backend, PERSON, "people.csv", io.BytesIO(LIST)) for _ in range(2)
    )
    plan = Plan(format=Format.CSV, encoding="utf-8", columns=(PlannedColumn("Email", Role.EMAIL),))
    saved = list_commands.start_import(stack.backend, PERSON, imported, plan, "Parents")

    def ended() -> bool:
        with stack.db.read() as connection:
            it = imports.get(connection, imported)
        return it is not None and it.finished_at is not None

    wait_until(ended, "the list is imported")
    with stack.db.read() as connection:
        contact = contacts.find(connection, saved).rows[0].id
    return {"upload": upload, "imported": imported, "list": saved, "contact": contact}
