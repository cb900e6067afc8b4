"""How far it is with what was asked for very many: in the API, on the page, on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mailing.core import logs
from mailing.core.states import (
    CampaignState,
    RecipientState,
)
from tests.support.undertakings import counts, store
from tests.support.web import running
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database
    from mailing.settings import Settings


@pytest.fixture(autouse=True)
def _no_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands run in this process: they must not redirect its log."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)


async def test_the_api_answers_202_while_it_goes_on_and_says_how_far_it_is(
    client: TestClientProtocol, db: Database, sweep: Callable[[], None]
) -> None:
    campaign_id = store(db, 6_000, RecipientState.FAILED, CampaignState.FINISHED)
    path = f"/api/v1/campaigns/{campaign_id}"
    response = await client.post(f"{path}/retry")
    answer = await response.get_json()
    assert response.status_code == 202
    told = {"action": "retry", "affected": answer["affected"], "expected": 6_000}
    assert 0 < answer["affected"] < 6_000
    assert answer["counts"]["queued"] == answer["affected"]
    assert answer["under_way"] == [told]
    assert (await (await client.get(path)).get_json())["under_way"] == [told]
    listed = await (await client.get("/api/v1/campaigns")).get_json()
    assert listed["campaigns"][0]["under_way"] == [told]
    again = await client.post(f"{path}/retry")
    assert again.status_code == 409
    while counts(db, campaign_id)[RecipientState.FAILED]:
        sweep()
    assert (await (await client.get(path)).get_json())["under_way"] == []
    response = await client.post(f"{path}/cancel")
    answer = await response.get_json()
    assert (response.status_code, answer["state"]) == (202, "canceled")
    assert 0 < answer["counts"]["canceled"] < 6_000
    assert sum(answer["counts"].values()) == 6_000


async def test_the_page_says_how_far_it_is(db: Database, chosen: Settings, sweep: Callable[[], None]) -> None:
    campaign_id = store(db, 6_000, RecipientState.FAILED, CampaignState.FINISHED)
    async with running(chosen) as visitor:
        page = f"/campaigns/{campaign_id}"
        await visitor.read(page)
        assert (await visitor.post(f"{page}/retry")).status_code == 303
        moved = counts(db, campaign_id)[RecipientState.QUEUED]
        assert f"Retrying: {moved:,} of 6,000" in await visitor.read(page)
        while counts(db, campaign_id)[RecipientState.FAILED]:
            sweep()
        assert "Retrying" not in await visitor.read(page)
        assert (await visitor.post(f"{page}/cancel")).status_code == 303
        left = counts(db, campaign_id)[RecipientState.QUEUED]
        assert 0 < left < 6_000
        assert f"Canceling: {left:,}\N{NO-BREAK SPACE}emails left to mark" in await visitor.read(page)
        while counts(db, campaign_id)[RecipientState.QUEUED]:
            sweep()
        assert "Canceling" not in await visitor.read(page)


def test_the_command_line_goes_on_until_all_is_done_also_without_a_worker(
    db: Database, chosen: Settings, tmp_path: Path, database_url: str
) -> None:
    campaign_id = store(db, 6_000, RecipientState.UNKNOWN, CampaignState.FINISHED)
    env = {"VOLLEY_DATABASE_URL": database_url, "VOLLEY_REDIS_URL": chosen.redis_url}
    env["VOLLEY_INSTANCE"] = str(tmp_path)
    result = CliRunner().invoke(main, ["mark-sent", str(campaign_id)], env=env)
    assert result.exit_code == 0, result.output
    assert "6,000 recipients changed." in result.output
    assert counts(db, campaign_id)[RecipientState.SENT] == 6_000
    store(db, 6_000, RecipientState.QUEUED, CampaignState.SENDING)
    result = CliRunner().invoke(main, ["cancel", str(campaign_id + 1)], env=env)
    left = counts(db, campaign_id + 1)[RecipientState.QUEUED]
    assert left
    assert f"{left:,} emails are left to mark as canceled." in result.output
