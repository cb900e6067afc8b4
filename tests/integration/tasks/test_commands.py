"""Commands: each change is stored, told and given to the workers, and the log says who asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from mailing.addresses.parsing import parse_pasted
from mailing.campaigns import queries as campaigns
from mailing.campaigns import share_links
from mailing.campaigns.idempotency import KeyReused, find
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.actors import Actor, ActorKind
from mailing.core.states import CampaignAction, CampaignState, RecipientAction, RecipientState
from mailing.recipients.search import Choice
from mailing.redis import events
from tasks import control, sending
from tasks.commands import campaigns as commands
from tasks.commands import workers
from tasks.commands.backend import Backend
from tasks.commands.campaigns import Once
from tests.support.web import DRAFT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.ledger.batches import Errand

ANN = Actor(ActorKind.PERSON, "ann")
PEOPLE = parse_pasted("bob@example.org cat@example.org")


class Told:
    """What a command told the pages and the workers."""

    def __init__(self) -> None:
        self.news: list[tuple[int, str]] = []
        self.batches: list[int] = []


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()

    def publish(_client: object, happened: Sequence[dict[str, Any]]) -> bool:
        told.news += [(event["campaign"], event["state"]) for event in happened]
        return True

    def enqueue(_db: object, errands: Sequence[Errand]) -> bool:
        told.batches += [errand.batch_id for errand in errands]
        return True

    monkeypatch.setattr(events, "publish", publish)
    monkeypatch.setattr(sending, "enqueue", enqueue)
    monkeypatch.setattr(sending, "ask_for_a_sweep", lambda: None)
    return told


@pytest.fixture
def backend(db: Database, told: Told) -> Backend:
    del told
    return Backend(db, None)  # type: ignore[arg-type]


def created(backend: Backend, *, send: bool = False) -> int:
    change = commands.store(backend.db, ANN, DRAFT, PEOPLE, send=send)
    assert commands.announce(backend, change)
    return change.campaign_id


def campaign(backend: Backend, campaign_id: int) -> Campaign:
    with backend.db.read() as connection:
        found = campaigns.get(connection, campaign_id)
    assert found
    return found


def test_a_campaign_that_is_sent_at_once_is_told_and_given_to_the_workers(backend: Backend, told: Told):
    campaign_id = created(backend, send=True)
    assert campaign(backend, campaign_id).state is CampaignState.SENDING
    assert told.news == [(campaign_id, CampaignState.SENDING)]
    assert len(told.batches) == 1


def test_each_change_is_logged_with_who_asked_for_it_and_the_campaign(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(control, "resize", lambda *_, **__: None)
    monkeypatch.setattr(control, "take_batches", lambda *_, **__: None)
    with capture_logs() as logged:
        campaign_id = created(backend)
        commands.announce(backend, commands.revise(backend.db, ANN, campaign_id, DRAFT, PEOPLE))
        commands.act(backend, ANN, campaign_id, CampaignAction.SEND)
        commands.act(backend, ANN, campaign_id, CampaignAction.PAUSE)
        one = Choice(RecipientState.QUEUED, "bob@")
        assert commands.decide(backend, ANN, campaign_id, RecipientAction.SKIP, one).moved == 1
        watch_id = commands.make_watch_link(backend, ANN, campaign_id, "Bob", share_links.DAYS[0])
        commands.revoke_watch_link(backend, ANN, campaign_id, watch_id)
        workers.resize(backend, ANN, "w1", connections=3, workers=1)
        workers.take_batches(backend, ANN, "w1", consuming=False, workers=1)
    changes = [each for each in logged if each["event"] == "changed"]
    assert [each["action"] for each in changes] == [
        "create",
        "revise",
        "send",
        "pause",
        "skip",
        "create share link",
        "revoke share link",
        "resize worker",
        "stop worker",
    ]
    assert {each["actor"] for each in changes} == {"person:ann"}
    assert [each.get("campaign_id") for each in changes] == [campaign_id] * 7 + [None] * 2
    assert {each["worker"] for each in changes[-2:]} == {"w1"}


def test_what_is_refused_is_neither_told_nor_logged(backend: Backend, told: Told):
    campaign_id = created(backend)
    told.news.clear()
    with capture_logs() as logged, pytest.raises(NotAllowed):
        commands.act(backend, ANN, campaign_id, CampaignAction.RESUME)
    assert not [each for each in logged if each["event"] == "changed"]
    assert not told.news


def test_a_call_that_happens_once_keeps_its_answer_with_what_it_made(backend: Backend):
    once = Once("key", "digest", lambda campaign_id, state: {"id": campaign_id, "state": state})
    change = commands.store(backend.db, ANN, DRAFT, PEOPLE, once=once)
    with backend.db.read() as connection:
        assert find(connection, "key", "digest") == {"id": change.campaign_id, "state": "draft"}
        with pytest.raises(KeyReused):
            find(connection, "key", "another")


@pytest.mark.parametrize(
    ("actor", "text"), [(Actor(ActorKind.API, "key 3"), "api:key 3"), (Actor(ActorKind.CLI), "cli")]
)
def test_an_actor_is_written_with_its_name_if_it_has_one(actor: Actor, text: str):
    assert str(actor) == text
