"""The audit log: a row for each command, in its transaction, that nobody changes afterwards."""

from __future__ import annotations

import inspect
from functools import partial

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import DatabaseError

from mailing.accounts import audit, sessions, users
from mailing.accounts.audit import Asked
from mailing.accounts.invitations import Invitation
from mailing.accounts.openid import Identity
from mailing.accounts.openid_settings import OpenId
from mailing.accounts.roles import Role
from mailing.accounts.tables import audit as table
from mailing.accounts.users import AccountError
from mailing.addresses import parsing
from mailing.campaigns.lifecycle import NotAllowed
from mailing.campaigns.queries import latest
from mailing.core.actors import Actor, ActorKind
from mailing.core.states import CampaignAction, RecipientAction
from mailing.library import files
from mailing.recipients.search import Choice
from mailing.reports import trials
from tasks import control
from tasks.commands import campaigns as commands
from tasks.commands import workers as worker_commands
from tasks.commands.accounts import people
from tasks.commands.messages import files as file_commands
from tests.architecture.test_doors import commands_of
from tests.support.api import CAMPAIGNS
from tests.support.programs import bearing, make_key
from tests.support.web import DRAFT, Visitor, enlist, store
from webapp.http.doorkeeper import TOLD_AGAIN_S, TOLD_MOST, Refusals

REFUSAL = "the audit log is append-only"
ACTOR = Actor(ActorKind.PERSON, "ann@people.example", 7, "192.0.2.1")
LIST = parsing.parse_pasted("Ann Lee <ann@example.org>\nbad line\nbob@example.org")


def rows(db):
    with db.read() as connection:
        return list(reversed(audit.page(connection, Asked(), limit=1000)))


@pytest.fixture
def workers(monkeypatch):
    """Workers who do what they are asked."""
    for name in ("take_batches", "resize"):
        monkeypatch.setattr(control, name, lambda *_asked, **_more: None)


def life(db, backend):
    """Every command, in an order that works: its name, how it is called, and what the log says then."""
    revision = lambda: draft_revision(db)  # noqa: E731
    yield "store", partial(commands.store, db, ACTOR, DRAFT, LIST), "create", "campaign:1"
    yield "revise", partial(commands.revise, db, ACTOR, 1, DRAFT), "revise", "campaign:1"
    yield "revise", partial(commands.revise, db, ACTOR, 1, DRAFT, LIST), "revise", "campaign:1"
    more = parsing.parse_pasted("eve@example.org")
    yield "add", lambda: commands.add(db, ACTOR, 1, DRAFT, more, seen=revision()), "add to list", "campaign:1"
    yield (
        "fix",
        lambda: commands.fix(db, ACTOR, 1, "zoe@example.org", seen=revision()),
        "fix list",
        "campaign:1",
    )
    yield "keep_file", partial(file_commands.keep_file, db, ACTOR, "a.txt", b"a"), "keep file", ""
    yield "attach", partial(file_commands.attach, db, ACTOR, 1, "b.txt", b"b"), "attach", "campaign:1"
    held = lambda: one(db, files.listed, 1)[0]  # noqa: E731
    detach = lambda: file_commands.detach(db, ACTOR, 1, held(), seen=revision())  # noqa: E731
    yield "detach", detach, "detach", "campaign:1"
    trial = lambda: one(db, trials.compose, 1, "me@two.example", "")  # noqa: E731
    yield "begin_test", lambda: commands.begin_test(backend, ACTOR, 1, trial()), "test send", "campaign:1"
    links = partial(commands.begin_opening_links, backend, ACTOR, 1)
    yield "begin_opening_links", links, "open links", "campaign:1"
    for action in (CampaignAction.SEND, CampaignAction.PAUSE, CampaignAction.RESUME):
        yield "act", partial(commands.act, backend, ACTOR, 1, action), action, "campaign:1"
    yield (
        "make_watch_link",
        partial(commands.make_watch_link, backend, ACTOR, 1, "board", 7),
        "create share link",
        "campaign:1",
    )
    yield (
        "revoke_watch_link",
        partial(commands.revoke_watch_link, backend, ACTOR, 1, 1),
        "revoke share link",
        "campaign:1",
    )
    for consuming, said in ((True, "start worker"), (False, "stop worker")):
        take = partial(worker_commands.take_batches, backend, ACTOR, "w", consuming=consuming, workers=1)
        yield "take_batches", take, said, ""
    yield (
        "resize",
        partial(worker_commands.resize, backend, ACTOR, "w", connections=3, workers=1),
        "resize worker",
        "",
    )
    yield (
        "act",
        partial(commands.act, backend, ACTOR, 1, CampaignAction.CANCEL),
        CampaignAction.CANCEL,
        "campaign:1",
    )


def life_of_people(db, backend):
    """The same for commands about people."""
    user = lambda: one(db, users.get, 1)  # noqa: E731
    session = lambda: one(db, sessions.listed, 1)[0].id  # noqa: E731
    set_up = partial(people.set_up, backend, "ann@people.example", "hash", "192.0.2.1")
    yield "set_up", set_up, "set up", "user:1"
    yield (
        "add",
        partial(people.add, backend, ACTOR, "bob@x.example", Role.WRITER, "hash"),
        "add person",
        "user:2",
    )
    for n in (1, 2):
        invite = partial(people.invite, backend, ACTOR, "eve@x.example", Role.VIEWER)
        yield "invite", invite, "invite", f"invitation:{n}"
    yield "revoke", partial(people.revoke, backend, ACTOR, 2), "revoke invitation", "invitation:2"

    def accept():
        token = people.invite(backend, ACTOR, "eve@x.example", Role.VIEWER)
        people.accept(backend, token, "hash", "192.0.2.1")

    yield "accept", accept, "accept invitation", "user:3"
    who = Identity("https://login.example", "subject", "zoe@x.example", None)
    at = OpenId("https://login.example", "client", "secret", "", "", Role.VIEWER)
    yield "admit", partial(people.admit, backend, at, who, "192.0.2.1"), "link identity", "user:4"
    letter = Invitation(1, "eve@x.example", Role.VIEWER, 0, 0)
    mailed = partial(people.note_letter, backend, ACTOR, letter, sent=True)
    yield "note_letter", mailed, "mail invitation", "invitation:1"
    yield (
        "refuse",
        partial(people.refuse, backend, "x@y", None, "192.0.2.1", "password"),
        "sign in refused",
        "",
    )
    yield (
        "refuse_access",
        partial(people.refuse_access, backend, ACTOR, "role", "keys:write"),
        "access refused",
        "",
    )

    def enter():
        people.sign_in(backend, user(), "192.0.2.1", "browser", "password")

    yield "sign_in", enter, "sign in", "user:1"
    yield "confirm", lambda: people.confirm(backend, ACTOR, session(), "password"), "confirm", ""
    yield "sign_out", lambda: people.sign_out(backend, ACTOR, 1, session()), "end session", "user:1"
    yield (
        "sign_out_everywhere",
        partial(people.sign_out_everywhere, backend, ACTOR, 1),
        "end all sessions",
        "user:1",
    )
    yield (
        "change_password",
        partial(people.change_password, backend, ACTOR, 2, "hash"),
        "change password",
        "user:2",
    )
    yield "change_role", partial(people.change_role, backend, ACTOR, 2, Role.VIEWER), "change role", "user:2"
    yield "deactivate", partial(people.deactivate, backend, ACTOR, 2), "deactivate", "user:2"
    yield "reactivate", partial(people.reactivate, backend, ACTOR, 2), "reactivate", "user:2"


def one(db, read, *asked):
    with db.read() as connection:
        return read(connection, *asked)


def draft_revision(db):
    return one(db, partial(latest, limit=1))[0].revision


OF_CAMPAIGNS = (commands, file_commands, worker_commands)


@pytest.mark.parametrize(("modules", "told"), [(OF_CAMPAIGNS, life), ((people,), life_of_people)])
def test_every_command_leaves_its_row_with_who_what_and_from_where(db, backend, workers, modules, told):
    done, before = {"decide"}, 0
    for name, command, action, subject in told(db, backend):
        command()
        entries = rows(db)
        assert len(entries) > before, name
        last, before = entries[-1], len(entries)
        assert (last.action, last.subject) == (action, subject), name
        assert last.address == "192.0.2.1", name
        assert last.actor_kind == "person", name
        done.add(name)
    assert done >= {name for it in modules for name in commands_of(it)}, (
        "a command is not in this test's list"
    )


def test_a_decision_about_recipients_is_told_with_whom_it_was_about(db, backend):
    store(db, "a@b.example\nc@d.example", send=True)
    commands.act(backend, ACTOR, 1, CampaignAction.PAUSE)
    commands.decide(backend, ACTOR, 1, RecipientAction.SKIP, Choice(recipient=1))
    last = rows(db)[-1]
    assert (last.action, last.subject, last.details["recipient"]) == ("skip", "campaign:1", 1)


def failing(db, backend):
    owner = enlist(db, Role.OWNER)
    store(db, "a@b.example", send=True)
    yield NotAllowed, partial(commands.revise, db, ACTOR, 1, DRAFT)
    yield NotAllowed, partial(commands.revise, db, ACTOR, 1, DRAFT, LIST)
    yield NotAllowed, partial(commands.act, backend, ACTOR, 1, CampaignAction.RESUME)
    yield AccountError, partial(people.set_up, backend, "x@y.example", "hash", "")
    yield AccountError, partial(people.add, backend, ACTOR, "owner@people.example", Role.OWNER, "hash")
    yield AccountError, partial(people.invite, backend, ACTOR, "owner@people.example", Role.OWNER)
    yield AccountError, partial(people.accept, backend, "no link", "hash", "")
    yield AccountError, partial(people.change_role, backend, ACTOR, owner, Role.VIEWER)
    yield AccountError, partial(people.deactivate, backend, ACTOR, owner)
    yield AccountError, partial(people.reactivate, backend, ACTOR, 99)


def test_what_fails_leaves_no_row(db, backend):
    for error, command in failing(db, backend):
        with pytest.raises(error):
            command()
    assert rows(db) == []


@pytest.mark.parametrize(
    "command",
    [
        lambda backend: people.add(backend, ACTOR, "x@y.example", Role.OWNER, "hash"),
        lambda backend: people.set_up(backend, "x@y.example", "hash", ""),
        lambda backend: people.invite(backend, ACTOR, "x@y.example", Role.OWNER),
        lambda backend: commands.store(backend.db, ACTOR, DRAFT, LIST),
    ],
)
def test_what_cannot_be_told_does_not_happen(db, backend, monkeypatch, command):
    def fail(*_asked, **_more):
        raise OSError("no room")

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(OSError, match="no room"):
        command(backend)
    with db.read() as connection:
        assert not users.any_exist(connection)
        assert not latest(connection, limit=1)
        assert not connection.execute(select(func.count()).select_from(people.invitations.table)).scalar()


def test_the_database_itself_refuses_to_change_or_delete_a_row(db):
    with db.write() as connection:
        audit.record(connection, ACTOR, "send", "campaign:1")
    for statement in (
        update(table).values(actor_name="eve"),
        update(table).where(table.c.id == 1).values(details={}),
        delete(table),
        delete(table).where(table.c.id == 1),
    ):
        with pytest.raises(DatabaseError, match=REFUSAL), db.write() as connection:
            connection.execute(statement)
    (entry,) = rows(db)
    assert (entry.actor_name, entry.action) == ("ann@people.example", "send")


def test_every_command_is_told_who_asks(db):
    for module in (commands, people):
        for name, function in commands_of(module).items():
            assert inspect.signature(function).parameters, name


async def test_who_is_refused_is_in_the_log_once_a_minute(client, db):
    bob, reader = Visitor(client.app), make_key(client.app)
    bob_id = bob.enter(Role.VIEWER)
    for _ in range(2):
        assert (await bob.get("/keys")).status_code == 403
        assert (await client.get(CAMPAIGNS, headers=bearing("volley_nobodys"))).status_code == 401
        assert (await client.post(CAMPAIGNS, json={}, headers=bearing(reader))).status_code == 403
    refused = [it for it in rows(db) if it.action == "access refused"]
    assert [(it.actor_kind, it.actor_id, it.details["needed"]) for it in refused] == [
        ("person", bob_id, "keys:write"),
        ("api", None, "campaigns:read"),
        ("api", 1, "campaigns:write"),
    ]
    assert "nobodys" not in str(refused)


def test_refusals_fill_the_log_at_most_so_fast():
    refusals = Refusals()
    assert all(refusals.new(n, 0.0) for n in range(TOLD_MOST))
    assert not refusals.new("one more", 0.0)
    assert not refusals.new(0, TOLD_AGAIN_S - 1)
    assert refusals.new("one more", TOLD_AGAIN_S)
