"""A campaign to many is not launched by accident while the records of its From domain are wrong."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from sqlalchemy import update

from mailing.campaigns import queries as campaigns
from mailing.core import logs
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import CampaignState
from mailing.core.tables import campaigns as table
from mailing.domains import health
from mailing.domains.dkim import Algorithm
from mailing.domains.health import Health
from mailing.internet import senders
from mailing.internet.findings import Finding, Light
from mailing.reports import checkup
from tasks.app import use
from tasks.commands import dkim as commands
from tasks.commands.backend import Backend
from tests.integration.domains.test_keys import SECRET, Zone
from tests.support.api import problem_of
from tests.support.web import DRAFT, running, settings_for, store
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mailing.core.database import Database
    from tests.support.web import Visitor

DOMAIN = "example.org"


@pytest.fixture
async def visitor(db: Database, tmp_path: Path, database_url: str) -> AsyncIterator[Visitor]:
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


def looked(db: Database, light: Light, total: int) -> int:
    """Store a draft to so many, from a domain that was found to be so; return its id."""
    campaign_id = store(db, "ann@x.example")
    found = Finding(light, Reason("spf.several", domain=DOMAIN, n=2))
    with db.write() as connection:
        connection.execute(update(table).values(total=total))
        health.keep(connection, Health(DOMAIN, now_ms(), {"spf": found}, {}), "x")
    assert DRAFT.sender_from.endswith(f"@{DOMAIN}>")
    return campaign_id


async def test_red_has_to_be_confirmed(visitor: Visitor, db: Database) -> None:
    campaign_id = looked(db, Light.RED, 5_001)
    page = await visitor.read(f"/campaigns/{campaign_id}")
    assert "Send anyway" in page
    answer = await visitor.post(f"/campaigns/{campaign_id}/send", {})
    assert answer.status_code == 409
    assert "have errors" in (await answer.get_data()).decode()
    with db.read() as connection:
        assert connection.execute(table.select()).one().state == CampaignState.DRAFT
    confirmed = await visitor.post(f"/campaigns/{campaign_id}/send", {"despite": "dns"})
    assert confirmed.status_code == 303


@pytest.mark.parametrize(
    ("light", "total"), [(Light.RED, 5_000), (Light.AMBER, 5_001), (Light.UNKNOWN, 5_001)]
)
async def test_few_recipients_or_what_nobody_knows_needs_none(
    visitor: Visitor, db: Database, light: Light, total: int
) -> None:
    campaign_id = looked(db, light, total)
    assert "Send anyway" not in await visitor.read(f"/campaigns/{campaign_id}")
    assert (await visitor.post(f"/campaigns/{campaign_id}/send", {})).status_code == 303


def test_the_preflight_check_says_what_dns_said_of_the_keys_that_sign(db: Database) -> None:
    campaign_id = store(db, "ann@x.example")

    def dkim() -> Finding | None:
        with db.read() as connection:
            campaign = campaigns.get(connection, campaign_id)
            assert campaign
            return checkup.look(connection, campaign).dkim

    assert dkim() is None
    backend = Backend(db, None)  # type: ignore[arg-type]  # nothing is told
    [made] = commands.create(backend, Actor(ActorKind.CLI), DOMAIN, [Algorithm.RSA], SECRET)
    assert dkim() is None, "it does not sign yet"
    zone = Zone()
    zone.publish(made)
    commands.check(db, DOMAIN, SECRET, zone)
    there = dkim()
    assert there
    assert (there.light, str(there.said)) == (Light.GREEN, f"The key is published at {made.name}.")
    zone.texts_of.clear()
    commands.check(db, DOMAIN, SECRET, zone)
    gone = dkim()
    assert gone
    assert gone.light is Light.RED
    assert gone in asyncio.run(senders.findings(DOMAIN, zone, gone))


async def test_a_program_that_stores_and_sends_at_once_has_to_confirm_too(
    visitor: Visitor, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked(db, Light.RED, 1)
    monkeypatch.setattr(health, "MANY", 1)
    posted = {
        "from": f"ann@{DOMAIN}",
        "subject": "Picnic",
        "text": "Bring a blanket.",
        "recipients": [{"email": "ann@x.example"}, {"email": "bob@x.example"}],
        "send": True,
    }
    refused = await visitor.client.post("/api/v1/campaigns", json=posted)
    assert (await problem_of(refused, 409))["code"] == "campaign.domain-red"
    with db.read() as connection:
        assert len(connection.execute(table.select()).all()) == 1, "nothing was stored"
    done = await visitor.client.post("/api/v1/campaigns", json={**posted, "despite_red": True})
    assert done.status_code == 201


def test_the_terminal_has_to_confirm_too(
    db: Database, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)
    campaign_id = looked(db, Light.RED, 5_001)
    chosen = settings_for(tmp_path, database_url)
    use(chosen)
    env = {"VOLLEY_INSTANCE": str(tmp_path), "VOLLEY_DATABASE_URL": database_url}
    env["VOLLEY_REDIS_URL"] = chosen.redis_url
    refused = CliRunner().invoke(main, ["start", str(campaign_id)], env=env)
    assert refused.exit_code == 1
    assert "have errors" in refused.output
    done = CliRunner().invoke(main, ["start", "--despite-red", str(campaign_id)], env=env)
    assert done.exit_code == 0, done.output
