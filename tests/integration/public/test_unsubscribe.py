"""Behind the link in an email: one POST unsubscribes, a look changes nothing, and it can be undone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select, update

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.campaigns.drafts import Draft
from mailing.core.tables import campaigns, installation
from mailing.suppression import leave_tokens, leaving, store
from mailing.suppression.leave_tokens import Leaver
from mailing.suppression.purposes import Purpose
from mailing.suppression.store import Entry
from mailing.suppression.tables import SuppressionReason
from tests.support.web import DRAFT, HOST, Visitor, running, settings_for
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from quart import Request

    from mailing.core.database import Database

ANN = "Ann@x.example"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
LEFT = SuppressionReason.UNSUBSCRIBED


@pytest.fixture
async def stranger(db: Database, tmp_path: Path, database_url: str) -> AsyncIterator[Visitor]:
    """A reader of an email, without a session, of a Volley that others can reach. Its Redis is away."""
    chosen = settings_for(tmp_path, database_url, VOLLEY_URL=f"https://{HOST}")
    async with running(chosen, role=None) as visitor:
        yield visitor


def link(db: Database, topic: str = "", email: str = ANN, campaign_id: int = 1) -> str:
    with db.read() as connection:
        key = leaving.key(connection)
    return "/u/" + leave_tokens.seal(key, Leaver(campaign_id, 1, topic, email))


def left(db: Database) -> set[tuple[str, str, str]]:
    with db.read() as connection:
        return {(it.subject, it.scope, it.reason) for it in store.find(connection)}


async def click(stranger: Visitor, path: str, form: dict[str, str], **headers: str) -> str:
    """Post as a mail provider does: no cookie, no token, no origin of ours."""
    answer = await stranger.client.post(path, form=form, headers={"Host": HOST, **headers})
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "Location" not in answer.headers
    return (await answer.get_data()).decode()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_to_look_changes_nothing_and_sets_no_cookie(
    stranger: Visitor, db: Database, method: str
) -> None:
    for path in (link(db), link(db, "News"), link(db) + "/choices"):
        answer = await stranger.client.open(path, method=method, headers={"Host": HOST})
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert left(db) == set()


async def test_one_click_unsubscribes_at_once_and_again_without_harm(stranger: Visitor, db: Database) -> None:
    for _ in range(3):
        await click(stranger, link(db), ONE_CLICK, Origin="https://mail.provider.example")
    assert left(db) == {("ann@x.example", "", LEFT)}
    with db.read() as connection:
        (told,) = audit.page(connection, Asked(action="unsubscribe"))
    assert (told.actor_kind, told.actor_name, told.subject) == (
        "recipient",
        "A•••@x•••.example",
        "campaign:1",
    )


async def test_one_click_may_be_sent_as_form_data(stranger: Visitor, db: Database) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    headers = {"Host": HOST, "Content-Type": "multipart/form-data; boundary=x"}
    answer = await stranger.client.post(link(db), data=body, headers=headers)
    assert answer.status_code == 200
    assert left(db) == {("ann@x.example", "", LEFT)}


async def test_of_a_campaign_with_a_topic_only_the_topic_is_left(stranger: Visitor, db: Database) -> None:
    await click(stranger, link(db, "Tin Tức"), ONE_CLICK)
    assert left(db) == {("ann@x.example", "tin tức", LEFT)}
    assert "Tin Tức" in await click(stranger, link(db, "Tin Tức"), {"do": "leave"})
    assert len(left(db)) == 1


async def test_it_works_after_the_campaign_was_deleted_and_with_a_new_secret_key(
    db: Database, tmp_path: Path, database_url: str
) -> None:
    campaign_id = store_campaign(db, ANN, send=True)
    path = link(db, campaign_id=campaign_id)
    with db.write() as connection:
        connection.execute(delete(campaigns))
    new = settings_for(
        tmp_path, database_url, VOLLEY_URL=f"https://{HOST}", VOLLEY_SECRET_KEY="another key " * 4
    )
    async with running(new, role=None) as stranger:
        await click(stranger, path, ONE_CLICK)
    assert left(db) == {("ann@x.example", "", LEFT)}


async def test_a_link_that_was_cut_is_refused_with_a_page(stranger: Visitor, db: Database) -> None:
    for path in (link(db)[:-1], link(db)[:20], "/u/x", "/u/%00"):
        for answer in (
            await stranger.get(path),
            await stranger.client.post(path, form=ONE_CLICK, headers={"Host": HOST}),
        ):
            assert answer.status_code == 404
            assert "This link isn&#39;t complete" in (await answer.get_data()).decode()
    assert left(db) == set()


async def test_a_form_that_asks_for_nothing_changes_nothing(stranger: Visitor, db: Database) -> None:
    for form in ({}, {"List-Unsubscribe": "no"}, {"do": "else"}):
        answer = await stranger.client.post(link(db), form=form, headers={"Host": HOST})
        assert answer.status_code == 400
    assert left(db) == set()


async def test_the_button_unsubscribes_and_undo_takes_back_exactly_that(
    stranger: Visitor, db: Database
) -> None:
    with db.write() as connection:
        store.keep(connection, [Entry("ann@x.example", SuppressionReason.BOUNCED)])
    page = await stranger.read(link(db))
    assert page.count("<form") == 1
    assert "Unsubscribe</button>" in page
    assert ANN not in page
    assert "A•••@x•••.example" in page
    page = await click(stranger, link(db), {"do": "leave"}, Origin="null")
    assert "You are unsubscribed" in page
    assert len(left(db)) == 2
    page = await click(stranger, link(db), {"do": "undo"})
    assert "You are subscribed again" in page
    assert left(db) == {("ann@x.example", "", "bounced")}


async def test_the_pages_speak_the_language_of_the_browser(stranger: Visitor, db: Database) -> None:
    answer = await stranger.get(link(db), headers={"Accept-Language": "vi-VN,vi;q=0.9,en;q=0.5"})
    assert "Hủy đăng ký" in (await answer.get_data()).decode()


async def test_choices_are_topics_a_break_everything_and_all_again(stranger: Visitor, db: Database) -> None:
    for topic in ("Events", "News", "Other"):
        draft = Draft(DRAFT.sender_from, DRAFT.subject, DRAFT.text, purpose=Purpose(topic))
        store_campaign(db, ANN if topic != "Other" else "ben@x.example", draft)
    path = link(db, "Shop") + "/choices"
    page = await stranger.read(path)
    assert [it for it in ("Events", "News", "Shop", "Other") if f'value="{it}"' in page] == [
        "Events",
        "News",
        "Shop",
    ]
    answer = await stranger.client.post(
        path,
        data=b"do=topics&shown=Events&shown=News&shown=Shop&topic=News",
        headers={"Host": HOST, "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 200
    assert {it[1] for it in left(db)} == {"events", "shop"}
    page = await click(stranger, path, {"do": "pause"})
    assert "No emails from this sender until" in page
    with db.read() as connection:
        until = leaving.decided(connection, ANN).until
    assert until is not None
    page = await click(stranger, path, {"do": "everything"})
    assert "No more emails from this sender." in page
    with db.read() as connection:
        assert leaving.decided(connection, ANN).until is None
    await click(stranger, path, {"do": "back"})
    assert {it[1] for it in left(db)} == {"events", "shop"}


async def test_nobody_can_be_unsubscribed_by_the_email_of_a_rehearsal(
    stranger: Visitor, db: Database
) -> None:
    path = link(db, email="")
    assert "This email was a test" in await stranger.read(path)
    await click(stranger, path, ONE_CLICK)
    await click(stranger, path + "/choices", {"do": "everything"})
    assert left(db) == set()


async def test_whoever_was_forgotten_stays_forgotten(stranger: Visitor, db: Database) -> None:
    with db.write() as connection:
        store.forget(connection, ANN)
    await click(stranger, link(db), ONE_CLICK)
    assert [it[0][:1] for it in left(db)] == ["#"]


async def test_the_web_server_keeps_the_public_url_for_the_workers(stranger: Visitor, db: Database) -> None:
    with db.read() as connection:
        assert connection.execute(select(installation.c.site)).scalar_one() == f"https://{HOST}"


async def test_it_works_before_anybody_has_an_account_and_for_many_at_once(
    stranger: Visitor, db: Database
) -> None:
    people = [f"p{n}@x.example" for n in range(40)]
    await asyncio.gather(*(click(stranger, link(db, email=it), ONE_CLICK) for it in people))
    assert {it[0] for it in left(db)} == set(people)


async def test_the_key_of_links_never_changes(db: Database) -> None:
    with db.write() as connection:
        before = leaving.key(connection)
        connection.execute(update(installation).values(site="https://a.example"))
        assert leaving.key(connection) == before


def the_short_way(stranger: Visitor, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each request that does not go the short way."""
    went: list[str] = []
    handle = stranger.app.handle_request

    async def noting(request: Request) -> object:
        went.append(request.path)
        return await handle(request)

    monkeypatch.setattr(stranger.app, "handle_request", noting)
    return went


async def test_one_click_goes_the_short_way_with_the_same_headers(
    stranger: Visitor, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    went = the_short_way(stranger, monkeypatch)
    headers = {"Host": HOST}
    short = await stranger.client.post(link(db), form=ONE_CLICK, headers=headers)
    assert not went
    body = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    long = await stranger.client.post(link(db), data=body, headers=headers | kind)
    assert len(went) == 1
    kept = {name.lower() for name, _value in long.headers.items()} - {
        "content-type",
        "content-length",
        "vary",
    }
    assert {name: short.headers.get(name) for name in kept} == {name: long.headers[name] for name in kept}
    assert await short.get_data() == b"You are unsubscribed"


@pytest.mark.parametrize(
    ("form", "host", "status"),
    [
        ({"do": "leave"}, HOST, 200),
        ({"List-Unsubscribe": "no"}, HOST, 400),
        ({**ONE_CLICK, "more": "x" * 300}, HOST, 200),
        (ONE_CLICK, "other.example", 421),
    ],
)
async def test_what_is_no_short_form_at_our_own_host_goes_the_long_way(
    stranger: Visitor,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    *,
    form: dict[str, str],
    host: str,
    status: int,
) -> None:
    went = the_short_way(stranger, monkeypatch)
    answer = await stranger.client.post(link(db), form=form, headers={"Host": host})
    assert (answer.status_code, len(went)) == (status, 1)
    assert bool(left(db)) == (status == 200)


@pytest.mark.parametrize("odd", ["{}.", "{}=", "{}>", "<{}>", "{}%3E", "{}.)", "{}=3D"])
async def test_what_a_mail_program_puts_around_a_link_is_no_part_of_it(
    stranger: Visitor, db: Database, odd: str
) -> None:
    token = link(db).removeprefix("/u/")
    path = "/u/" + odd.format(token)
    whole = not odd.startswith("<")
    page = await stranger.get(path)
    assert page.status_code == (200 if whole else 404)
    answer = await stranger.client.post(path, form=ONE_CLICK, headers={"Host": HOST})
    assert answer.status_code == (200 if whole else 404)
    assert bool(left(db)) == whole


async def test_a_token_in_other_letters_is_none_and_says_so(stranger: Visitor, db: Database) -> None:
    for path in (link(db).lower(), "/u/" + link(db).removeprefix("/u/").swapcase()):
        answer = await stranger.client.post(path, form=ONE_CLICK, headers={"Host": HOST})
        assert answer.status_code == 404
    assert left(db) == set()
