"""Rehearsals on the pages, in the API and for the commands: made of a draft, told apart, counted nowhere."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest
from sqlalchemy import select, update

from mailing.accounts.tables import audit
from mailing.campaigns import drafts, lifecycle, rehearsals
from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.campaigns.recipes import Answer
from mailing.contacts import history
from mailing.core import tables
from mailing.core.states import AttemptResult, CampaignAction, CampaignState
from mailing.reports import estimates, overview, rehearsed
from mailing.smtp.account import DEMO_INBOX
from tests.support.smtp_server import EXTENSIONS, FakeServer
from tests.support.web import DRAFT, running, settings_for, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mailing.core.database import Database
    from tests.support.web import Visitor

LIST = "email,name,city\nann@x.example,Ann,Rome\nben@x.example,Ben,\ncam@y.example,Cam,Paris"


@pytest.fixture
async def inbox() -> AsyncIterator[FakeServer]:
    async with FakeServer(extensions=(*EXTENSIONS, DEMO_INBOX)) as server:
        yield server


@pytest.fixture
async def visitor(tmp_path, db, database_url, inbox) -> AsyncIterator[Visitor]:
    variables = {"VOLLEY_DEMO_INBOX": f"127.0.0.1:{inbox.port}", "VOLLEY_SMTP_URL": "smtp://mail.x.example"}
    async with running(settings_for(tmp_path, database_url, **variables)) as visitor:
        store(db, LIST)
        yield visitor


async def text_of(response) -> str:
    return (await response.get_data()).decode()


async def begin(visitor: Visitor, **form: str) -> int:
    """Rehearse campaign 1; return the rehearsal's id."""
    await visitor.read("/campaigns/1/rehearse")
    answer = await visitor.post("/campaigns/1/rehearse", {"recipe": "usual"} | form)
    assert answer.status_code == 303, await text_of(answer)
    return int(answer.location.rpartition("/")[2])


def made(db: Database, recipe: dict[str, int] | None = None, *, finished: bool = False) -> int:
    """Make and send a rehearsal of campaign 1 without anybody's page; return its id."""
    with rehearsals.making(db, 1, recipe or {}) as (connection, draft, rehearsal_id):
        lifecycle.act(connection, rehearsal_id, CampaignAction.SEND, checked=draft.revision)
        if finished:
            mine = update(tables.campaigns).where(tables.campaigns.c.id == rehearsal_id)
            connection.execute(mine.values(state=CampaignState.FINISHED, finished_at=1))
    return rehearsal_id


def campaign(db: Database, campaign_id: int) -> campaigns.Campaign:
    with db.read() as connection:
        found = campaigns.get(connection, campaign_id)
    assert found
    return found


def people(db: Database, campaign_id: int) -> list[tuple[object, ...]]:
    it = tables.recipients.c
    with db.read() as connection:
        rows = connection.execute(
            select(it.email, it.domain, it.name, it.fields, it.state)
            .where(it.campaign_id == campaign_id)
            .order_by(it.id)
        )
        return [tuple(row) for row in rows]


async def test_a_rehearsal_is_a_copy_of_the_draft_with_everybody_and_is_sent_at_once(
    visitor: Visitor, db: Database
) -> None:
    await visitor.read("/campaigns/1")
    rehearsal = campaign(db, await begin(visitor))
    draft = campaign(db, 1)
    assert (rehearsal.state, draft.state) == (CampaignState.SENDING, CampaignState.DRAFT)
    assert (rehearsal.rehearses, rehearsal.recipe) == (1, {"later": 30, "full": 5, "bounce": 15, "drop": 1})
    assert rehearsal.give_up_after == rehearsals.TRIED_S  # whatever the draft says: its page tells the end
    assert rehearsal.message == draft.message
    assert rehearsal.token != draft.token
    assert people(db, rehearsal.id) == people(db, 1)
    assert rehearsal.counts == draft.counts
    with db.read() as connection:
        row = connection.execute(select(audit.c.action, audit.c.subject).order_by(audit.c.id.desc())).first()
    assert tuple(row or ()) == ("rehearse", "campaign:1")


def test_a_long_list_is_copied_in_pieces_and_cut_into_batches(db: Database) -> None:
    store(db, "\n".join(f"user{n}@x{n % 9}.example" for n in range(2_500)))
    rehearsal = made(db)
    assert people(db, rehearsal) == people(db, 1)
    it = tables.batches.c
    with db.read() as connection:
        cut = connection.execute(
            select(it.first_id, it.last_id).where(it.campaign_id == rehearsal).order_by(it.id)
        ).all()
        whole = select(tables.recipients.c.id).where(tables.recipients.c.campaign_id == rehearsal)
        ids = connection.execute(whole.order_by(tables.recipients.c.id)).scalars().all()
    assert (cut[0].first_id, cut[-1].last_id) == (ids[0], ids[-1])
    assert all(after.first_id > before.last_id for before, after in itertools.pairwise(cut))


async def test_it_is_called_a_rehearsal_wherever_it_is_seen(visitor: Visitor, db: Database) -> None:
    rehearsal = await begin(visitor)
    name = "REHEARSAL: Picnic, {{ name }}"
    for path in ("", "/wall", "/recipients/4", "/message"):
        text = await visitor.read(f"/campaigns/{rehearsal}{path}")
        assert text.split("<title>")[1].split("</title>")[0].count("REHEARSAL") == 1, path
        assert name in text, path
    assert name in await visitor.read("/campaigns")
    assert name in await visitor.read(f"/history?campaign={rehearsal}")
    got = await visitor.get(f"/campaigns/{rehearsal}/recipients.csv")
    assert f"volley-REHEARSAL-{rehearsal}.csv" in got.headers["Content-Disposition"]
    for id_, rehearses in ((1, None), (rehearsal, 1)):
        told = orjson.loads(await visitor.read(f"/api/v1/campaigns/{id_}"))
        assert told["rehearses"] == rehearses
    with db.write() as connection:
        connection.execute(update(tables.campaigns).values(state="finished", finished_at=1, started_at=0))
    assert name in await visitor.read(f"/campaigns/{rehearsal}/replay")


async def test_it_offers_no_way_to_real_people(visitor: Visitor, db: Database) -> None:
    rehearsal = made(db, finished=True)
    with db.write() as connection:
        mine = tables.recipients.c.campaign_id == rehearsal
        connection.execute(update(tables.recipients).where(mine).values(state="failed"))
        tally = tables.tallies.c.campaign_id == rehearsal
        connection.execute(update(tables.tallies).where(tally).values(state="failed"))
    text = await visitor.read(f"/campaigns/{rehearsal}?state=failed")
    for way in ("/retry", '/copy"', "resend-unknown", "save-template"):
        assert way not in text, way
    assert 'href="/campaigns/1"' in text, "the next step is the campaign itself"


async def test_it_counts_nowhere(db: Database) -> None:
    drafted = store(db, LIST)
    rehearsal = made(db, finished=True)
    with db.write() as connection:
        slot = {"campaign_id": rehearsal, "slot": 1_000_000, "result": "sent", "shard": 0, "n": 7}
        connection.execute(tables.paces.insert(), slot)
    with db.read() as connection:
        found = overview.load(connection, 0)
        assert found.today[AttemptResult.SENT] == 0
        assert not found.done
        assert not history.read(connection, "ann@x.example")
        assert not campaigns.begun(connection, limit=10)
        draft = campaigns.get(connection, drafted)
        assert draft is not None
        assert estimates.of(connection, draft) is None


async def test_the_draft_says_that_it_was_rehearsed_and_whether_it_was_changed_since(
    visitor: Visitor, db: Database
) -> None:
    rehearsal = made(db, finished=True)
    changed = "The draft was changed since"
    for path in ("/campaigns/1", "/campaigns/1/rehearse"):
        text = await visitor.read(path)
        assert f"/campaigns/{rehearsal}" in text
        assert changed not in text
    assert changed not in await visitor.read(f"/campaigns/{rehearsal}")
    with db.write() as connection:
        drafts.rewrite(connection, 1, replace(DRAFT, subject="Another picnic"))
    for path in ("/campaigns/1", "/campaigns/1/rehearse", f"/campaigns/{rehearsal}"):
        assert changed in await visitor.read(path), path


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"recipe": "sweet"}, "There is no recipe called sweet"),
        ({"recipe": "own", "bounce": "2000"}, "Write whole numbers from 0 to 1,000"),
        ({"recipe": "own", "bounce": "x"}, "Write whole numbers from 0 to 1,000"),
        ({"recipe": "own", "bounce": "600", "full": "600"}, "add up to 1,200"),
    ],
)
async def test_numbers_that_cannot_be_are_refused_and_stay_in_the_form(
    visitor: Visitor, form: dict[str, str], said: str
) -> None:
    await visitor.read("/campaigns/1/rehearse")
    answer = await visitor.post("/campaigns/1/rehearse", form)
    assert answer.status_code == 422
    text = await text_of(answer)
    assert said in text
    assert form.get("bounce", "") in text


async def test_without_a_demo_inbox_one_sentence_says_what_to_do(
    visitor: Visitor, db: Database, inbox: FakeServer
) -> None:
    inbox.extensions = EXTENSIONS
    await visitor.read("/campaigns/1/rehearse")
    answer = await visitor.post("/campaigns/1/rehearse", {"recipe": "usual"})
    assert answer.status_code == 409
    assert f"No demo inbox answers at 127.0.0.1:{inbox.port}. Start it with" in await text_of(answer)
    with db.read() as connection:
        assert len(campaigns.latest(connection)) == 1


def test_of_one_draft_one_rehearsal_is_under_way_at_a_time(db: Database) -> None:
    store(db, LIST)
    first = made(db)
    with pytest.raises(NotAllowed, match=f"rehearsal {first}"):
        made(db)


def test_what_cannot_be_rehearsed_says_why(db: Database) -> None:
    with pytest.raises(NotAllowed, match="doesn't exist"):
        made(db)
    store(db, LIST)
    rehearsal = made(db, finished=True)
    with pytest.raises(NotAllowed, match="is a rehearsal"), rehearsals.making(db, rehearsal, {}):
        pass
    with db.write() as connection:
        drafts.rewrite(connection, 1, replace(DRAFT, subject="{{ broken"))
    with pytest.raises(NotAllowed):
        made(db)
    with db.write() as connection:
        drafts.rewrite(connection, 1, DRAFT)
        lifecycle.act(connection, 1, CampaignAction.CANCEL)
    with pytest.raises(NotAllowed, match="Only drafts"):
        made(db)


def test_a_draft_that_is_changed_while_it_is_copied_is_not_rehearsed(db: Database, monkeypatch) -> None:
    store(db, LIST)
    whole = rehearsals.Copying.go_on

    def change_first(self, connection, rows):
        drafts.rewrite(connection, 1, replace(DRAFT, subject="Another picnic"))
        return whole(self, connection, rows)

    monkeypatch.setattr(rehearsals.Copying, "go_on", change_first)
    with pytest.raises(NotAllowed, match="changed in the meantime"):
        made(db)
    with db.read() as connection:
        assert len(campaigns.latest(connection)) == 1


async def test_programs_rehearse_and_read_what_that_found(visitor: Visitor, db: Database) -> None:
    asked = {"headers": {"Host": "127.0.0.1", "Content-Type": "application/json"}}
    answer = await visitor.client.post(
        "/api/v1/campaigns/1/rehearse", data=orjson.dumps({"recipe": {"bounce": 1000}}), **asked
    )
    assert answer.status_code == 201, await text_of(answer)
    told = orjson.loads(await text_of(answer))
    assert (told["rehearses"], told["state"]) == (1, "sending")
    found = orjson.loads(await visitor.read(f"/api/v1/campaigns/{told['id']}/rehearsal"))
    assert found["answers"] == [{"answer": "bounce", "wanted": 3, "recipients": 0}]
    assert (found["unwritten"], found["changed"]) == (0, False)
    await visitor.read("/api/v1/campaigns/1/rehearsal", 409)
    for wrong in ({"recipe": "sweet"}, {"recipe": {"bounce": 2000}}, {"mix": "usual"}):
        refused = await visitor.client.post("/api/v1/campaigns/1/rehearse", data=orjson.dumps(wrong), **asked)
        assert refused.status_code == 422, wrong


def test_what_was_answered_is_counted_by_recipient_and_faults_are_named(db: Database) -> None:
    store(db, LIST)
    rehearsal = made(db, {"later": 200, "full": 300, "bounce": 500})
    reply = tables.reply_groups.insert()
    groups = [
        ("deferred", 451, "4.7.1", 20),
        ("deferred", 452, "4.2.2", 90),
        ("failed", 452, "4.2.2", 30),
        ("failed", 550, "5.1.1", 50),
        ("unknown", 0, "", 2),
        ("failed", 0, "", 1),
    ]
    with db.write() as connection:
        first = tables.recipients.c.campaign_id == rehearsal
        who = connection.execute(select(tables.recipients.c.id).where(first).limit(1)).scalar_one()
        for result, code, enhanced, n in groups:
            key = {"campaign_id": rehearsal, "result": result, "code": code, "enhanced": enhanced, "shard": 0}
            connection.execute(reply, key | {"n": n, "sample": ""})
        worker = (
            tables.workers.insert().values(name="w", started_at=1, seen_at=1).returning(tables.workers.c.id)
        )
        told = {"worker_id": connection.execute(worker).scalar_one(), "number": 1, "domain": "x.example"}
        told |= {"server": "", "started_at": 1, "ended_at": 1, "result": "failed", "reply": "no city"}
        connection.execute(tables.attempts.insert(), told | {"campaign_id": rehearsal, "recipient_id": who})
    with db.read() as connection:
        it = campaigns.get(connection, rehearsal)
        assert it
        found = rehearsed.read(connection, it)
    assert found
    got = {share.answer: share.got for share in found.shares}
    assert got == {Answer.LATER: 20, Answer.FULL: 30, Answer.BOUNCE: 50, Answer.DROP: 2}
    assert found.unwritten == 1
    assert [(fault.email, fault.reason) for fault in found.faults] == [("ann@x.example", "no city")]
