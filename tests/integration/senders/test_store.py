"""Senders are kept in order, with sealed secrets, and none is taken away that a campaign uses."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from mailing.addresses.parsing import ParsedList
from mailing.campaigns import drafts
from mailing.campaigns import queries as campaign_queries
from mailing.campaigns.drafts import Draft
from mailing.core.reasons import EntryError, Reason
from mailing.core.tables import campaigns
from mailing.senders import opening, routes, store
from mailing.senders.entries import Entry
from mailing.senders.limits import Limits
from mailing.senders.routes import Route
from mailing.senders.store import Account, SenderError
from mailing.senders.tables import senders as table
from mailing.smtp.account import Sender

if TYPE_CHECKING:
    from mailing.core.database import Database

KEY, OTHER_KEY = "k" * 32, "o" * 32
ENTRY = Entry("Club", "smtp.example.org", 587, username="club", password="hunter2")
SETTINGS = Sender("127.0.0.1", 1025, connections=7, username="u", password="of the settings")


def create(db: Database, entry: Entry = ENTRY) -> int:
    with db.write() as connection:
        return store.create(connection, entry, KEY)


def revise(db: Database, sender_id: int, entry: Entry, **more: Any) -> None:
    with db.write() as connection:
        store.revise(connection, sender_id, entry, KEY, **more)


def every(db: Database) -> list[Account]:
    with db.read() as connection:
        return list(store.every(connection))


def got(db: Database, sender_id: int) -> Account:
    with db.read() as connection:
        found = store.get(connection, sender_id)
    assert found
    return found


def number(db: Database) -> int:
    with db.read() as connection:
        return store.revision(connection)


def keep_default(db: Database, sender: Sender = SETTINGS) -> int:
    with db.write() as connection:
        return store.keep_default(connection, sender)


def a_campaign(db: Database, senders: list[int] | None, state: str = "draft", subject: str = "Hello") -> int:
    campaign_id = drafts.create(db, Draft("a@example.org", subject, "text"), ParsedList())
    with db.write() as connection:
        own = update(campaigns).where(campaigns.c.id == campaign_id)
        connection.execute(own.values(senders=senders, state=state))
    return campaign_id


def said(error: pytest.ExceptionInfo[Any]) -> str:
    return str(error.value.reason.code)


def test_what_was_entered_is_kept_and_can_sign_in(db: Database) -> None:
    limits, receivers = Limits(per_day=500), {"gmail": Limits(per_hour=100)}
    ca_free = replace(ENTRY, name="  My \n Club ", limits=limits, receiver_limits=receivers, connections=3)
    account = got(db, create(db, ca_free))
    assert (account.name, account.limits, account.receiver_limits) == ("My Club", limits, receivers)
    sender = opening.usable(account, KEY, SETTINGS)
    assert (sender.host, sender.port, sender.tls, sender.username) == (
        "smtp.example.org",
        587,
        "starttls",
        "club",
    )
    assert (sender.password, sender.connections, sender.id) == ("hunter2", 3, account.id)


def test_the_database_holds_no_secret_in_clear(db: Database) -> None:
    sender_id = create(db, replace(ENTRY, client_secret="topsecret"))
    with db.write() as connection:
        store.keep_consent(connection, got(db, sender_id), "refreshing", KEY)
        row = str(connection.execute(select(table)).one())
    assert not [secret for secret in ("hunter2", "topsecret", "refreshing") if secret in row]
    assert "hunter2" not in repr(got(db, sender_id))
    assert store.open_secret(got(db, sender_id), "refresh_token", KEY) == "refreshing"


def test_a_secret_of_another_secret_key_is_asked_for_again(db: Database) -> None:
    account = got(db, create(db))
    with pytest.raises(SenderError, match=r"Club can't be read: the secret key has changed") as refused:
        opening.usable(account, OTHER_KEY, SETTINGS)
    assert said(refused) == "sender.unreadable-secret"


def test_a_secret_cannot_stand_in_anothers_place(db: Database) -> None:
    first, second = create(db), create(db, replace(ENTRY, name="Other", password=None))
    with db.write() as connection:
        stolen = connection.execute(select(table.c.password).where(table.c.id == first)).scalar_one()
        connection.execute(update(table).where(table.c.id == second).values(password=stolen))
    with pytest.raises(SenderError):
        opening.usable(got(db, second), KEY, SETTINGS)


def test_two_senders_never_have_one_name(db: Database) -> None:
    create(db)
    with pytest.raises(SenderError) as refused:
        create(db, replace(ENTRY, name="CLUB"))
    assert said(refused) == "sender.name-taken"
    other = create(db, replace(ENTRY, name="Other"))
    with pytest.raises(SenderError):
        revise(db, other, replace(ENTRY, name="club"))


def test_a_deleted_senders_name_is_free_again_and_its_secrets_are_gone(db: Database) -> None:
    sender_id = create(db)
    with db.write() as connection:
        store.delete(connection, sender_id)
    with db.read() as connection:
        assert connection.execute(select(table.c.password)).scalar_one() == ""
        assert store.get(connection, sender_id) is None
    create(db)


def test_a_change_keeps_the_password_unless_another_is_entered(db: Database) -> None:
    sender_id = create(db)
    revise(db, sender_id, replace(ENTRY, password=None, limits=Limits(per_day=9)))
    assert opening.usable(got(db, sender_id), KEY, SETTINGS).password == "hunter2"
    revise(db, sender_id, replace(ENTRY, password="better"))
    assert opening.usable(got(db, sender_id), KEY, SETTINGS).password == "better"


@pytest.mark.parametrize(
    "change", [{"host": "evil.example"}, {"port": 25}, {"tls": "none"}, {"verify": False}]
)
def test_a_kept_password_goes_only_where_it_was_entered_for(db: Database, change: dict[str, Any]) -> None:
    sender_id = create(db)
    with pytest.raises(EntryError) as refused:
        revise(db, sender_id, replace(ENTRY, password=None, **change))
    assert refused.value.faults.keys() == {"password"}
    revise(db, sender_id, replace(ENTRY, **change))


def test_consent_is_for_one_application_and_one_account(db: Database) -> None:
    entry = replace(ENTRY, password=None, auth="xoauth2", provider="google", client_id="me")
    sender_id = create(db, entry)
    for change in ({"client_id": "you"}, {"username": "other"}, {"host": "evil.example"}):
        with db.write() as connection:
            store.keep_consent(connection, got(db, sender_id), "token", KEY)
        assert opening.usable(got(db, sender_id), KEY, SETTINGS)
        entry = replace(entry, **change)
        revise(db, sender_id, entry)
        with pytest.raises(SenderError, match="not connected to its account"):
            opening.usable(got(db, sender_id), KEY, SETTINGS)


def test_of_two_that_change_a_sender_at_once_the_second_is_told(db: Database) -> None:
    sender_id = create(db)
    seen = got(db, sender_id).revision
    revise(db, sender_id, replace(ENTRY, name="First"), seen=seen)
    with pytest.raises(SenderError) as refused:
        revise(db, sender_id, replace(ENTRY, name="Second"), seen=seen)
    assert said(refused) == "sender.changed-meanwhile"
    assert got(db, sender_id).name == "First"


def test_a_sender_moves_to_another_place_in_the_order(db: Database) -> None:
    ids = [create(db, replace(ENTRY, name=name)) for name in "abc"]
    with db.write() as connection:
        store.move(connection, ids[2], 1)
    assert [account.name for account in every(db)] == ["c", "a", "b"]
    with db.write() as connection:
        store.move(connection, ids[2], 99)
    assert [account.name for account in every(db)] == ["a", "b", "c"]


def test_the_number_changes_with_every_change(db: Database) -> None:
    seen = [number(db), keep_default(db) and number(db)]
    sender_id = create(db)
    seen.append(number(db))
    revise(db, sender_id, replace(ENTRY, limits=Limits(per_day=1)))
    seen.append(number(db))
    with db.write() as connection:
        store.move(connection, sender_id, 1)
    seen.append(number(db))
    with db.write() as connection:
        assert store.note_trouble(connection, sender_id, Reason("sender.unreadable-secret", name="Club"))
    seen.append(number(db))
    with db.write() as connection:
        assert store.end_trouble(connection, sender_id)
    with db.write() as connection:
        store.delete(connection, sender_id)
    seen.append(number(db))
    assert len(set(seen)) == len(seen)


def test_trouble_is_news_once_and_a_change_forgets_it(db: Database) -> None:
    sender_id, reason = create(db), Reason("sender.unreadable-secret", name="Club")
    with db.write() as connection:
        assert store.note_trouble(connection, sender_id, reason)
        assert not store.note_trouble(connection, sender_id, reason)
    assert got(db, sender_id).trouble == reason
    revise(db, sender_id, ENTRY, seen=got(db, sender_id).revision)
    assert (got(db, sender_id).trouble, got(db, sender_id).trouble_at) == ("", None)


def test_the_sender_of_the_settings_is_first_and_follows_them(db: Database) -> None:
    sender_id = keep_default(db)
    assert keep_default(db) == sender_id
    account = got(db, sender_id)
    assert (account.name, account.position, account.from_settings) == ("127.0.0.1:1025", 1, True)
    assert (account.password, account.username) == ("", "u")
    assert opening.usable(account, KEY, SETTINGS) == replace(SETTINGS, id=sender_id)
    keep_default(db, Sender("smtp.example.org", 465, "tls"))
    account = got(db, sender_id)
    assert (account.name, account.host, account.tls) == ("smtp.example.org:465", "smtp.example.org", "tls")


def test_the_sender_of_the_settings_keeps_the_name_that_it_was_given(db: Database) -> None:
    sender_id = keep_default(db)
    revise(db, sender_id, store.as_entered(got(db, sender_id), name="Relay", limits=Limits(per_day=5)))
    with pytest.raises(SenderError, match="Change it in the settings"):
        revise(db, sender_id, store.as_entered(got(db, sender_id), host="evil.example"))
    account = got(db, sender_id)
    assert (account.name, account.host, account.limits) == ("Relay", "127.0.0.1", Limits(per_day=5))
    keep_default(db, Sender("smtp.example.org", 465, "tls"))
    assert got(db, sender_id).name == "Relay"


def test_the_sender_of_the_settings_comes_before_those_that_were_there(db: Database) -> None:
    create(db, replace(ENTRY, name="127.0.0.1:1025"))
    keep_default(db)
    assert [(it.name, it.position) for it in every(db)] == [("127.0.0.1:1025 (2)", 1), ("127.0.0.1:1025", 2)]


def test_processes_that_start_at_once_keep_one_sender_of_the_settings(db: Database) -> None:
    begin, ids = threading.Barrier(4), set[int]()

    def start() -> None:
        begin.wait()
        ids.add(keep_default(db))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == len(every(db)) == 1


def test_the_sender_of_the_settings_is_not_deleted(db: Database) -> None:
    sender_id = keep_default(db)
    with db.write() as connection, pytest.raises(SenderError) as refused:
        store.delete(connection, sender_id)
    assert said(refused) == "sender.of-settings"
    assert every(db)


@pytest.mark.parametrize("state", ["draft", "scheduled", "sending", "paused"])
def test_a_sender_in_use_is_not_deleted_and_the_campaigns_are_named(db: Database, state: str) -> None:
    sender_id = create(db)
    campaign_id = a_campaign(db, [sender_id], state, "Summer party")
    with db.write() as connection, pytest.raises(SenderError, match=rf"Summer party \({campaign_id}\)"):
        store.delete(connection, sender_id)
    assert every(db)


@pytest.mark.parametrize("state", ["finished", "canceled"])
def test_a_sender_of_campaigns_that_are_over_may_be_deleted(db: Database, state: str) -> None:
    sender_id = create(db)
    a_campaign(db, [sender_id], state)
    with db.write() as connection:
        store.delete(connection, sender_id)
    assert every(db) == []


def test_a_campaign_goes_by_the_senders_that_it_names_in_its_order(db: Database) -> None:
    default, first, second = keep_default(db), create(db), create(db, replace(ENTRY, name="Second"))
    accounts = every(db)
    ids = [
        [account.id for account in store.chosen(accounts, named)] for named in (None, [second, first], [99])
    ]
    assert ids == [[default], [second, first], []]


def test_a_sender_that_is_gone_cannot_be_chosen(db: Database) -> None:
    sender_id = create(db)
    with db.write() as connection:
        assert store.hold(connection, [sender_id, sender_id, 99]) == {sender_id}
        with pytest.raises(SenderError, match="no sender 99"):
            routes.check(connection, Route((sender_id, 99)))


def test_a_draft_keeps_its_route_and_says_when_no_sender_of_it_is_left(db: Database) -> None:
    first, second = create(db), create(db, replace(ENTRY, name="Second"))
    route = Route((second, first), Limits(per_hour=10))
    campaign_id = drafts.create(db, Draft("a@example.org", "Hello", "text", route=route), ParsedList())
    with db.read() as connection:
        campaign = campaign_queries.get(connection, campaign_id)
        assert campaign
        assert campaign.route == Draft.of(campaign).route == route
        assert routes.faults(connection, campaign.route) == ()
        assert [reason.code for reason in routes.faults(connection, Route((99,)))] == ["sender.none-left"]


@pytest.mark.parametrize("state", ["draft", "sending", "paused", "finished"])
def test_the_route_may_change_until_the_campaign_is_over(db: Database, state: str) -> None:
    sender_id, campaign_id = create(db), a_campaign(db, None, state)
    route = Route((sender_id,), Limits(per_minute=5))
    with db.write() as connection:
        if state == "finished":
            with pytest.raises(SenderError, match="has ended"):
                routes.change(connection, campaign_id, route)
            return
        routes.change(connection, campaign_id, route)
        campaign = campaign_queries.get(connection, campaign_id)
    assert campaign
    assert campaign.route == route


def test_of_a_deletion_and_a_campaign_that_chooses_at_the_same_moment_one_gives_way(db: Database) -> None:
    sender_id, campaign_id = create(db), a_campaign(db, None)
    outcomes: list[str] = []

    def choose() -> None:
        try:
            with db.write() as connection:
                routes.change(connection, campaign_id, Route((sender_id,)))
        except SenderError as refusal:
            outcomes.append(refusal.reason.code)

    def delete() -> None:
        try:
            with db.write() as connection:
                store.delete(connection, sender_id)
        except SenderError as refusal:
            outcomes.append(refusal.reason.code)

    threads = [threading.Thread(target=work) for work in (choose, delete)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) <= 1
    with db.read() as connection:
        campaign = campaign_queries.get(connection, campaign_id)
        assert campaign
        there = {account.id for account in store.every(connection)}
        assert {*(campaign.senders or ())} <= there
