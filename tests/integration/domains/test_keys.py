"""Keys from the day they are made to the day their records may go, with a DNS that the test is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.core import clock
from mailing.core.actors import Actor, ActorKind
from mailing.domains import health, keys, signers
from mailing.domains.dkim import Algorithm, Signer
from mailing.domains.keys import CAUTION_MS, OVERLAP_MS, DkimError
from mailing.domains.tables import KeyState
from mailing.internet.findings import Light
from mailing.internet.names import UnansweredError
from tasks.commands import dkim as commands
from tasks.commands.backend import Backend

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from mailing.core.database import Database

DOMAIN, SECRET = "sender.example", "a secret key of thirty-two letters"
CLI = Actor(ActorKind.CLI)


class Zone:
    """Records, and their server, which may be away."""

    def __init__(self) -> None:
        self.texts_of: dict[str, tuple[str, ...]] = {
            DOMAIN: ("v=spf1 ip4:192.0.2.1 -all",),
            f"_dmarc.{DOMAIN}": ("v=DMARC1; p=reject",),
        }
        self.away = False

    async def texts(self, name: str) -> tuple[str, ...]:
        if self.away:
            raise UnansweredError
        return self.texts_of.get(name, ())

    async def exchangers(self, name: str) -> tuple[str, ...]:
        if self.away:
            raise UnansweredError
        return (f"mx.{name}",)

    def publish(self, *published: keys.DkimKey) -> None:
        self.texts_of |= {it.name: (it.value,) for it in published}


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let time pass: ms."""
    real, ahead = clock.now_ms, [0]
    for module in (keys, health):
        monkeypatch.setattr(module, "now_ms", lambda: real() + ahead[0])

    def pass_by(ms: int) -> None:
        ahead[0] += ms

    return pass_by


@pytest.fixture
def backend(db: Database) -> Backend:
    return Backend(db, None)  # type: ignore[arg-type]  # nothing is told


def states(db: Database) -> dict[str, str]:
    with db.read() as connection:
        return {it.selector: str(it.state) for it in keys.of(connection, DOMAIN)}


def test_a_key_signs_once_its_record_is_seen_and_its_successor_an_hour_later(
    db: Database, backend: Backend, later: Callable[[int], None]
) -> None:
    zone = Zone()
    made = commands.create(backend, CLI, DOMAIN, [*Algorithm], SECRET)
    assert {it.algorithm for it in made} == {*Algorithm}
    assert {*states(db).values()} == {"created"}
    found = commands.check(db, DOMAIN, SECRET, zone)
    assert found.light is Light.AMBER
    zone.publish(*made)
    found = commands.check(db, DOMAIN, SECRET, zone)
    assert found.light is Light.GREEN
    assert {*states(db).values()} == {"active"}

    with pytest.raises(DkimError):
        commands.retire(backend, CLI, DOMAIN, "unknown")
    new = commands.rotate(backend, CLI, DOMAIN, SECRET)
    with pytest.raises(DkimError, match="waiting"):
        commands.rotate(backend, CLI, DOMAIN, SECRET)
    zone.publish(*new)
    commands.check(db, DOMAIN, SECRET, zone)
    now = states(db)
    assert [now[it.selector] for it in (*made, *new)] == ["active"] * 2 + ["published"] * 2
    with db.read() as connection:
        signer = signers.every(connection, SECRET)[DOMAIN]
    assert isinstance(signer, Signer)
    assert [it.selector for it in signer.keys] == [it.selector for it in reversed(made)]
    later(CAUTION_MS)
    commands.check(db, DOMAIN, SECRET, zone)
    now = states(db)
    assert [now[it.selector] for it in (*made, *new)] == ["retiring"] * 2 + ["active"] * 2
    later(OVERLAP_MS)
    with db.write() as connection:
        assert keys.advance(connection) == 2
        assert [it.private_key for it in keys.of(connection, DOMAIN) if it.state is KeyState.RETIRED] == [
            ""
        ] * 2


def test_a_server_of_names_that_is_away_changes_nothing_and_is_no_fault(
    db: Database, backend: Backend
) -> None:
    zone = Zone()
    zone.publish(*commands.create(backend, CLI, DOMAIN, [Algorithm.RSA], SECRET))
    commands.check(db, DOMAIN, SECRET, zone)
    zone.away = True
    found = commands.check(db, DOMAIN, SECRET, zone)
    assert {it.light for it in (*found.records.values(), *found.keys.values())} == {Light.UNKNOWN}
    assert {*states(db).values()} == {"active"}
    with db.read() as connection:
        assert health.of(connection, DOMAIN) == found


def test_a_key_under_another_secret_key_is_told_and_its_successor_needs_no_hour(
    db: Database, backend: Backend
) -> None:
    zone = Zone()
    zone.publish(*commands.create(backend, CLI, DOMAIN, [Algorithm.RSA], SECRET))
    commands.check(db, DOMAIN, SECRET, zone)
    with db.read() as connection:
        before = keys.revision(connection)
        fault = signers.every(connection, "another")[DOMAIN]
        assert "can't be read" in str(fault)
        assert "can't be read" in str(signers.of(connection, f"a@{DOMAIN}", "another"))
    zone.publish(*commands.rotate(backend, CLI, DOMAIN, "another"))
    commands.check(db, DOMAIN, "another", zone)
    assert sorted(states(db).values()) == ["active", "retiring"]
    with db.read() as connection:
        assert isinstance(signers.every(connection, "another")[DOMAIN], Signer)
        assert keys.revision(connection) != before


def test_a_record_that_vanishes_before_its_key_ever_signed_makes_it_wait_again(
    db: Database, backend: Backend
) -> None:
    zone = Zone()
    zone.publish(*commands.create(backend, CLI, DOMAIN, [Algorithm.RSA], SECRET))
    commands.check(db, DOMAIN, SECRET, zone)
    (new,) = commands.rotate(backend, CLI, DOMAIN, SECRET)
    zone.publish(new)
    commands.check(db, DOMAIN, SECRET, zone)
    del zone.texts_of[new.name]
    commands.check(db, DOMAIN, SECRET, zone)
    assert states(db)[new.selector] == "created"


def test_what_is_to_be_looked_at_is_given_to_one_and_again_when_it_is_due(
    db: Database, backend: Backend, later: Callable[[int], None]
) -> None:
    commands.create(backend, CLI, DOMAIN, [Algorithm.RSA], SECRET)

    def due() -> Any:
        with db.write() as connection:
            return list(health.take_due(connection))

    assert due() == [DOMAIN]
    assert due() == []
    later(health.SOON_MS)
    assert due() == [DOMAIN]
    with db.read() as connection:
        (key,) = keys.of(connection, DOMAIN)
    zone = Zone()
    zone.publish(key)
    commands.check(db, DOMAIN, SECRET, zone)
    later(health.SOON_MS)
    assert due() == []
    later(health.HOUR_MS)
    assert due() == [DOMAIN]


def test_names_that_are_nobodys_are_asked_of_nobody(db: Database, backend: Backend) -> None:
    commands.create(backend, CLI, "sender.test", [Algorithm.RSA], SECRET)
    found = commands.check(db, "sender.test", SECRET)
    assert {it.light for it in (*found.records.values(), *found.keys.values())} == {Light.UNKNOWN}


def test_the_nearest_domain_above_signs_for_one_without_keys(db: Database, backend: Backend) -> None:
    zone, below = Zone(), f"a.news.{DOMAIN}"
    zone.publish(*commands.create(backend, CLI, DOMAIN, [Algorithm.RSA], SECRET))
    commands.check(db, DOMAIN, SECRET, zone)
    with db.read() as connection:
        known = signers.every(connection, SECRET)
        assert signers.above(connection, below) == DOMAIN
        assert signers.above(connection, DOMAIN) == ""
        assert signers.above(connection, "other.example") == ""
        signer = signers.of(connection, f"Ann <ann@{below}>", SECRET)
    assert isinstance(signer, Signer)
    assert signer.domain == DOMAIN
    assert signers.find(known, f"ann@{below}") is known[DOMAIN]
    assert signers.find(known, "ann@other.example") is None
    assert str(commands.check(db, below, SECRET, zone).records["dkim"].said).endswith(
        f"the keys of {DOMAIN}."
    )
    zone.publish(*commands.create(backend, CLI, f"news.{DOMAIN}", [Algorithm.RSA], SECRET))
    commands.check(db, f"news.{DOMAIN}", SECRET, zone)
    with db.read() as connection:
        assert signers.above(connection, below) == f"news.{DOMAIN}"
