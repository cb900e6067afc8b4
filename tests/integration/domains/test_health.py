"""The health of a domain by a real DNS server: records appear, change and vanish, and the server stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, update

from mailing.core.actors import Actor, ActorKind
from mailing.core.tables import campaigns
from mailing.domains import health, keys
from mailing.domains.dkim import Algorithm
from mailing.domains.keys import CAUTION_MS
from mailing.domains.ways import Ours
from mailing.internet.findings import Light
from mailing.senders.tables import senders
from tasks.commands import dkim as commands
from tasks.commands.backend import Backend
from tests.support import name_server
from tests.support.api import problem_of
from tests.support.web import running, settings_for, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mailing.core.database import Database
    from mailing.domains.health import Health
    from tests.support.name_server import NameServer

DOMAIN, SECRET, OWN = "mail.test", "a secret key of thirty-two letters", "192.0.2.25"
CLI = Actor(ActorKind.CLI)
MX = f"{DOMAIN}. IN MX 10 mx.{DOMAIN}."
NAMED = (f"25.2.0.192.in-addr.arpa. IN PTR mx.{DOMAIN}.", f"mx.{DOMAIN}. IN A {OWN}")
ZEN = "zen.test"
LISTS = (f"2.0.0.127.{ZEN}. IN A 127.0.0.2",)


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NameServer]:
    with name_server.running(tmp_path_factory.mktemp("dns") / "nsd") as server:
        yield server


@pytest.fixture
def server(running_server: NameServer) -> NameServer:
    running_server.publish()
    return running_server


def relay(db: Database) -> None:
    """Have a relay of our own on this machine, by which campaigns go."""
    with db.write() as connection:
        values = {"name": "relay", "position": 1, "host": "127.0.0.1", "port": 25, "tls": "opportunistic"}
        connection.execute(insert(senders).values(**values, from_settings=True, preset="relay"))


def check(db: Database, server: NameServer, **ours: object) -> Health:
    said = Ours(addresses=(OWN,), dns=server.at, **ours)  # type: ignore[arg-type]
    return commands.check(db, DOMAIN, SECRET, ours=said)


def lights(found: Health) -> dict[str, str]:
    return {kind: str(it.light) for kind, it in found.records.items()}


def published(found: Health) -> list[str]:
    return [it.zone_line for its in found.publish.values() for it in its]


def test_what_is_told_to_be_published_turns_all_lights_green(db: Database, server: NameServer) -> None:
    relay(db)
    server.publish(f'{DOMAIN}. IN TXT "v=spf1 mx -all"', MX)
    bad = check(db, server, blocklists=(ZEN,))
    assert lights(bad) == {
        "spf": "red",
        "dkim": "amber",
        "dmarc": "amber",
        "mx": "green",
        "ptr": "red",
        "dnsbl": "unknown",
        "tls": "green",
    }
    assert published(bad) == [
        f'{DOMAIN}. IN TXT "v=spf1 mx ip4:{OWN} -all"',
        f'_dmarc.{DOMAIN}. IN TXT "v=DMARC1; p=none; rua=mailto:dmarc@{DOMAIN}"',
    ]
    with db.read() as connection:
        assert health.of(connection, DOMAIN) == bad
    made = commands.create(Backend(db, None), CLI, DOMAIN, [*Algorithm], SECRET)  # type: ignore[arg-type]
    lines = (*published(bad), *(it.zone_line for it in made))
    server.publish(MX, *NAMED, *LISTS, *lines)
    good = check(db, server, blocklists=(ZEN,))
    assert {*lights(good).values()} == {"green"}
    assert {str(it.light) for it in good.keys.values()} == {"green"}
    assert good.light is Light.GREEN
    assert [it.why.code for its in good.publish.values() for it in its] == ["dmarc.next-step"]
    with db.read() as connection:
        assert {str(it.state) for it in keys.of(connection, DOMAIN)} == {"active"}


def test_a_rotated_key_is_watched_and_takes_over(
    db: Database, server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Backend(db, None)  # type: ignore[arg-type]  # nothing is told
    (old,) = commands.create(backend, CLI, DOMAIN, [Algorithm.ED25519], SECRET)
    server.publish(old.zone_line)
    check(db, server)
    (new,) = commands.rotate(backend, CLI, DOMAIN, SECRET)
    found = check(db, server)
    assert (found.keys[old.id].light, found.keys[new.id].light) == (Light.GREEN, Light.AMBER)
    server.publish(old.zone_line, new.zone_line)
    check(db, server)
    real = keys.now_ms
    monkeypatch.setattr(keys, "now_ms", lambda: real() + CAUTION_MS)
    check(db, server)
    with db.read() as connection:
        now = {it.id: str(it.state) for it in keys.of(connection, DOMAIN)}
    assert now == {old.id: "retiring", new.id: "active"}
    server.publish(old.zone_line)
    assert check(db, server).keys[new.id].light is Light.RED


def test_where_the_server_is_away_nothing_is_known_and_nothing_is_a_fault(
    db: Database, server: NameServer
) -> None:
    relay(db)
    (key,) = commands.create(Backend(db, None), CLI, DOMAIN, [Algorithm.RSA], SECRET)  # type: ignore[arg-type]
    server.publish(MX, key.zone_line, *NAMED)
    check(db, server)
    server.stop()
    try:
        found = check(db, server, bounce_domain=f"bounces.{DOMAIN}", blocklists=(ZEN,))
    finally:
        server.start()
    asked = {kind: light for kind, light in lights(found).items() if kind != "tls"}
    assert {*asked.values()} == {"unknown"}
    assert {it.light for it in found.keys.values()} == {Light.UNKNOWN}
    assert found.publish == {}
    with db.read() as connection:
        assert {str(it.state) for it in keys.of(connection, DOMAIN)} == {"active"}


def test_the_bounce_domain_needs_an_mx_and_its_spf_record_is_the_one_that_counts(
    db: Database, server: NameServer
) -> None:
    relay(db)
    server.publish(MX, *NAMED, f'{DOMAIN}. IN TXT "v=spf1 -all"')
    bounces = f"bounces.{DOMAIN}"
    found = check(db, server, bounce_domain=bounces, host="volley.test")
    assert (lights(found)["spf"], lights(found)["bounce-mx"]) == ("amber", "red")
    lines = published(found)
    assert f"{bounces}. IN MX 10 volley.test." in lines
    assert f'{bounces}. IN TXT "v=spf1 ip4:{OWN} ~all"' in lines
    server.publish(MX, *NAMED, *(line for line in lines if line.startswith(bounces)))
    found = check(db, server, bounce_domain=bounces, host="volley.test")
    assert (lights(found)["bounce-mx"], lights(found)["bounce-spf"]) == ("green", "green")


def test_a_provider_needs_its_include(db: Database, server: NameServer) -> None:
    relay(db)
    with db.write() as connection:
        connection.execute(update(senders).values(host="smtp.postmarkapp.com", preset="postmark"))
    server.publish(f'{DOMAIN}. IN TXT "v=spf1 mx ~all"', MX, *NAMED)
    found = check(db, server)
    assert lights(found)["spf"] == "amber"
    assert "ptr" not in found.records
    assert f'{DOMAIN}. IN TXT "v=spf1 mx include:spf.mtasv.net ~all"' in published(found)


def test_reports_to_another_organization_have_to_be_let_in(db: Database, server: NameServer) -> None:
    server.publish(MX)
    found = check(db, server, bounce_domain="bounces.other.test")
    assert f'{DOMAIN}._report._dmarc.bounces.other.test. IN TXT "v=DMARC1;"' in published(found)


async def test_a_red_domain_is_seen_on_its_page_and_confirmed_by_programs(
    db: Database, tmp_path: Path, database_url: str, server: NameServer
) -> None:
    dns = {"VOLLEY_DNS": f"127.0.0.1:{server.port}", "VOLLEY_FROM": f"Ann <ann@{DOMAIN}>"}
    server.publish(f'{DOMAIN}. IN TXT "v=spf1 +all"')
    async with running(settings_for(tmp_path, database_url, **dns)) as visitor:
        campaign_id = store(db, "bob@x.example")
        with db.write() as connection:
            connection.execute(update(campaigns).values(sender_from=f"ann@{DOMAIN}", total=5_001))
        await visitor.read("/domains")
        assert (await visitor.post(f"/domains/{DOMAIN}/check", {})).status_code == 303
        page = await visitor.read(f"/domains/{DOMAIN}")
        assert "lets every server send" in page
        assert "<code>v=spf1 ~all</code>" in page
        told = await (await visitor.client.get(f"/api/v1/domains/{DOMAIN}")).get_json()
        assert [it["record"] for it in told["publish"]] == ["spf", "dmarc", "mx"]
        assert told["publish"][0]["instead_of"] == "v=spf1 +all"
        path = f"/api/v1/campaigns/{campaign_id}"
        for verb, more in (("send", {}), ("schedule", {"send_at": "2099-01-01T08:00:00Z"})):
            refused = await visitor.client.post(f"{path}/{verb}", json=more)
            assert (await problem_of(refused, 409))["code"] == "campaign.domain-red"
        wrong = await visitor.client.post(f"{path}/send", json={"despite_red": "yes"})
        await problem_of(wrong, 422)
        done = await visitor.client.post(f"{path}/send", json={"despite_red": True})
        assert done.status_code == 200, await done.get_data()
