"""An open page whose reader may no longer look: it leads to the page to sign in, and never hangs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from mailing.accounts import sessions
from mailing.accounts.roles import Role
from mailing.core.actors import Actor, ActorKind
from tasks.commands.accounts import people
from tests.browser.acts import DRAFT, mark
from tests.support.clock import within
from tests.support.web import cookies, enlist
from webapp.http import auth

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.support.stack import Stack

PARTS = ("redis", "web")
ACTOR = Actor(ActorKind.CLI)


def test_a_page_follows_its_reader_out(page: Page, stack: Stack):
    campaign_id = stack.send(DRAFT, ["ann@one.example", "bob@one.example"])
    page.goto(f"/campaigns/{campaign_id}")
    expect(mark(page)).to_have_text("Live")

    ann = enlist(stack.db, Role.OWNER)  # the open time is over, and so are its streams
    with within(8):
        expect(page).to_have_url(f"{stack.url}/sign-in?next=/campaigns/{campaign_id}")

    signed = cookies(stack.settings, stack.db, ann)[auth.COOKIE]
    page.context.add_cookies([{"name": auth.COOKIE, "value": signed, "url": stack.url}])
    page.goto(f"/campaigns/{campaign_id}")
    expect(mark(page)).to_have_text("Live")
    expect(page.get_by_role("button", name="Pause").first).to_be_visible()

    enlist(stack.db, Role.OWNER, "bob@people.example")
    people.change_role(stack.backend, ACTOR, ann, Role.VIEWER)  # the stream of the page begins anew
    expect(page.locator("main").get_by_role("button", name="Pause", exact=True)).to_have_count(0)
    expect(mark(page)).to_have_text("Live")

    with stack.db.write() as connection:
        assert sessions.end_all(connection, ann) == 1
    with within(8):
        expect(page).to_have_url(f"{stack.url}/sign-in?next=/campaigns/{campaign_id}")
