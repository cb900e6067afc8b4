"""People: the first account, roles, deactivation and invitations, also for two at the same moment."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import func, insert, select

from mailing.accounts import invitations, sessions, users
from mailing.accounts.roles import Role
from mailing.accounts.tables import api_keys
from mailing.accounts.tables import sessions as session_table
from mailing.accounts.tables import users as user_table
from mailing.accounts.users import AccountError
from mailing.core.actors import Actor, ActorKind
from tasks.commands.accounts import people

ACTOR = Actor(ActorKind.CLI)


def count(db, table):
    with db.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


def codes(outcomes):
    return sorted(error.reasons[0].code for error in outcomes if isinstance(error, AccountError))


def enlist(backend, email, role=Role.OWNER):
    return people.add(backend, ACTOR, email, role, "hash")


def active_owners(db):
    with db.read() as connection:
        return [user.email for user in users.listed(connection) if user.active and user.role is Role.OWNER]


def test_the_first_account_is_an_owner_s_and_is_made_once_though_several_try_at_the_same_moment(
    backend, db, at_once, told
):
    names = [f"{n}@people.example" for n in range(6)]
    outcomes = at_once(*(partial(people.set_up, backend, name, "hash", "192.0.2.1") for name in names))
    assert codes(outcomes) == ["account.set-up-already"] * 5
    assert sum(isinstance(each, int) for each in outcomes) == 1
    assert len(active_owners(db)) == count(db, user_table) == 1
    assert told() == ["set up"]
    with pytest.raises(AccountError):
        people.set_up(backend, "late@people.example", "hash", "")


def test_an_address_gets_one_account_in_whatever_case_and_by_whomever(backend, db, at_once, told):
    one, other = "Ann@People.example", "ann@people.EXAMPLE"
    outcomes = at_once(*(partial(enlist, backend, name, Role.VIEWER) for name in (one, other)))
    assert codes(outcomes) == ["account.exists"]
    assert (count(db, user_table), told()) == (1, ["add person"])
    with db.read() as connection:
        assert users.find(connection, one) == users.find(connection, other)


@pytest.mark.parametrize("how", ["demote", "deactivate", "both"])
def test_two_owners_who_take_each_other_s_rights_at_the_same_moment_leave_one(
    backend, db, at_once, told, how
):
    ann, bob = enlist(backend, "ann@people.example"), enlist(backend, "bob@people.example")
    demote = lambda user_id: partial(people.change_role, backend, ACTOR, user_id, Role.VIEWER)  # noqa: E731
    deactivate = lambda user_id: partial(people.deactivate, backend, ACTOR, user_id)  # noqa: E731
    first, second = {
        "demote": (demote, demote),
        "deactivate": (deactivate, deactivate),
        "both": (demote, deactivate),
    }[how]
    outcomes = at_once(first(bob), second(ann))
    assert codes(outcomes) == ["account.last-owner"]
    assert len(active_owners(db)) == 1
    assert len(told()) == 3  # what was refused left no trace


def test_the_last_owner_stays_until_there_is_another(backend, db):
    ann = enlist(backend, "ann@people.example")
    bob = enlist(backend, "bob@people.example", Role.MANAGER)
    for refused in (
        partial(people.change_role, backend, ACTOR, ann, Role.MANAGER),
        partial(people.deactivate, backend, ACTOR, ann),
    ):
        with pytest.raises(AccountError, match="last active owner"):
            refused()
    people.change_role(backend, ACTOR, bob, Role.OWNER)
    people.deactivate(backend, ACTOR, ann)
    assert active_owners(db) == ["bob@people.example"]
    with pytest.raises(AccountError, match="last active owner"):
        people.deactivate(backend, ACTOR, bob)


def test_somebody_who_is_not_there_is_named_as_such(backend):
    enlist(backend, "ann@people.example")
    for command in (
        partial(people.change_role, backend, ACTOR, 99, Role.VIEWER),
        partial(people.deactivate, backend, ACTOR, 99),
        partial(people.reactivate, backend, ACTOR, 99),
    ):
        with pytest.raises(AccountError, match="no account"):
            command()


def test_deactivation_ends_sessions_and_keys_of_that_person_alone(backend, db):
    enlist(backend, "ann@people.example")
    bob = enlist(backend, "bob@people.example", Role.MANAGER)
    eve = enlist(backend, "eve@people.example", Role.MANAGER)
    with db.write() as connection:
        held = {user: [sessions.begin(connection, user, "", "")[1] for _ in range(2)] for user in (bob, eve)}
        for user in (bob, eve):
            row = {"prefix": f"p{user}", "secret_hash": "h", "name": "x", "scopes": [], "user_id": user}
            connection.execute(insert(api_keys).values(row))
    people.deactivate(backend, ACTOR, bob)
    with db.read() as connection:
        assert [sessions.find(connection, token) for token in held[bob]] == [None, None]
        assert all(sessions.find(connection, token) for token in held[eve])
        revoked = dict(connection.execute(select(api_keys.c.user_id, api_keys.c.revoked_at)).all())
    assert revoked[bob]
    assert not revoked[eve]
    people.reactivate(backend, ACTOR, bob)
    with db.read() as connection:
        assert [sessions.find(connection, token) for token in held[bob]] == [
            None,
            None,
        ]  # a new one is needed


def test_nobody_who_was_deactivated_meanwhile_gets_a_session(backend, db):
    enlist(backend, "ann@people.example")
    with db.read() as connection:
        bob = users.get(connection, enlist(backend, "bob@people.example", Role.VIEWER))
    people.deactivate(backend, ACTOR, bob.id)
    with pytest.raises(AccountError, match="can't be used"):
        people.sign_in(backend, bob, "", "", "password")
    assert count(db, session_table) == 0


def test_an_invitation_makes_one_account_though_two_use_it_at_the_same_moment(backend, db, at_once, told):
    token = people.invite(backend, ACTOR, "bob@people.example", Role.WRITER)
    outcomes = at_once(*(partial(people.accept, backend, token, f"hash{n}", "") for n in range(4)))
    assert codes(outcomes) == ["account.invitation-over"] * 3
    with db.read() as connection:
        (user,) = users.listed(connection)
        assert invitations.find(connection, token) is None
    assert (user.email, user.role) == ("bob@people.example", Role.WRITER)
    assert told() == ["invite", "accept invitation"]


def test_an_invitation_counts_for_a_week(backend, db, clock):
    token = people.invite(backend, ACTOR, "bob@people.example", Role.WRITER)
    clock.pass_ms(invitations.VALID_MS - 1)
    with db.read() as connection:
        assert invitations.find(connection, token)
    clock.pass_ms(1)
    with db.read() as connection:
        assert invitations.find(connection, token) is None
        assert invitations.listed(connection) == []
    with pytest.raises(AccountError, match="expired"):
        people.accept(backend, token, "hash", "")
    assert count(db, user_table) == 0


def test_an_invitation_that_was_revoked_or_followed_by_another_is_over(backend, db, told):
    first = people.invite(backend, ACTOR, "bob@people.example", Role.WRITER)
    second = people.invite(backend, ACTOR, "BOB@people.example", Role.VIEWER)
    with db.read() as connection:
        (open_one,) = invitations.listed(connection)
    with pytest.raises(AccountError):
        people.accept(backend, first, "hash", "")
    people.revoke(backend, ACTOR, open_one.id)
    people.revoke(backend, ACTOR, open_one.id)
    with pytest.raises(AccountError):
        people.accept(backend, second, "hash", "")
    assert told() == ["invite", "invite", "revoke invitation"]


def test_nobody_is_invited_twice_or_without_end(backend, monkeypatch):
    enlist(backend, "ann@people.example")
    with pytest.raises(AccountError, match="already has an account"):
        people.invite(backend, ACTOR, "ANN@people.example", Role.VIEWER)
    monkeypatch.setattr(invitations, "MOST", 2)
    for name in ("bob", "eve"):
        people.invite(backend, ACTOR, f"{name}@people.example", Role.VIEWER)
    with pytest.raises(AccountError, match="2 open invitations"):
        people.invite(backend, ACTOR, "zoe@people.example", Role.VIEWER)
    people.invite(backend, ACTOR, "bob@people.example", Role.VIEWER)  # in place of the earlier one


def test_only_a_hash_of_an_invitation_is_kept(backend, db):
    token = people.invite(backend, ACTOR, "bob@people.example", Role.WRITER)
    with db.read() as connection:
        rows = connection.execute(select(invitations.table)).all()
    assert token not in repr(rows)
