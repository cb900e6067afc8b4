"""When a refusal pauses a campaign: once it is not one recipient's affair, and then once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from mailing.campaigns import lifecycle
from mailing.campaigns import queries as campaigns
from mailing.core import tables
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignAction, CampaignState
from mailing.delivery import group_commit
from mailing.ledger import evidence
from mailing.smtp.replies import ReplyCode, Stage, reply_from
from mailing.smtp.verdicts import classify
from tests.integration.ledger.test_ledger import claim, result, store, worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.database import Database
    from mailing.delivery.group_commit import Committed
    from mailing.ledger.claims import Claim
    from mailing.ledger.results import Result

NO_DKIM = (550, "5.7.30 DKIM didn't pass")
SPAM = (550, "5.7.1 This message is likely unsolicited mail")
NO_PTR = (550, "5.7.25 The IP address has no PTR record")
WHIM = (554, "5.7.1 Message refused")


def refused(claimed: Claim, code: int, text: str) -> Result:
    reply = reply_from(code, text)
    verdict = classify(Stage.DOT, reply)
    told = {"code": code, "enhanced": reply.enhanced, "reply": reply.text, "ruling": verdict.ruling}
    return result(claimed, verdict.result, now_ms() + 60_000)._replace(**told)


def commit(db: Database, results: Sequence[Result]) -> Committed:
    worker_id = results[0].claim.worker_id
    entry = group_commit.Round(worker_id, "test:1", results, [], [], [], [], None, {"mx:25": None})
    return group_commit.commit(db.writer(), entry)


def state(db: Database, campaign_id: int) -> tuple[CampaignState, str]:
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    assert campaign
    return campaign.state, str(campaign.paused_reason)


def at_domains(db: Database, campaign_id: int, claims: list[Claim]) -> list[Claim]:
    """Give each recipient a domain of its own."""
    return [it._replace(domain=f"d{it.recipient_id}.example") for it in claims]


def test_one_refusal_and_another_pause_nothing_and_the_third_does(db: Database) -> None:
    campaign_id = store(db, 5)
    claims = at_domains(db, campaign_id, claim(db, worker(db), campaign_id, 5))
    for n, claimed in enumerate(claims[:3], start=1):
        outcome = commit(db, [refused(claimed, *NO_DKIM)])
        assert (CampaignState.PAUSED in outcome.states.values()) is (n == 3)
    paused, reason = state(db, campaign_id)
    assert paused is CampaignState.PAUSED
    assert reason == (
        "3 recipients were rejected for a reason unrelated to them. Check the DKIM signature and its record. "
        "The reply: 550 5.7.30 DKIM didn't pass"
    )
    with db.read() as connection:
        assert evidence.of(connection, campaign_id) == evidence.Evidence(
            3, ReplyCode(550, "5.7.30"), "550 5.7.30 DKIM didn't pass"
        )


def test_workers_that_count_at_the_same_moment_miss_nothing_and_pause_once(db: Database) -> None:
    for _ in range(5):
        campaign_id = store(db, 3)
        hands = [claim(db, worker(db), campaign_id, 1) for _ in range(3)]
        barrier, found = threading.Barrier(3), list[bool]()

        def work(claims: list[Claim]) -> None:
            barrier.wait(30)  # noqa: B023 - all end before the next one
            outcome = commit(db, [refused(claims[0], *SPAM)])
            found.append(CampaignState.PAUSED in outcome.states.values())  # noqa: B023

        threads = [threading.Thread(target=work, args=(claims,)) for claims in hands]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(found) == [False, False, True]
        assert state(db, campaign_id)[0] is CampaignState.PAUSED


def test_the_same_recipient_again_and_again_is_one(db: Database) -> None:
    campaign_id = store(db, 1)
    for _ in range(6):
        claims = claim(db, worker(db), campaign_id, 1)
        commit(db, [refused(claims[0], *NO_DKIM)])
        with db.write() as connection:
            connection.execute(update(tables.recipients).values(state="queued", due_at=None))
    assert state(db, campaign_id)[0] is CampaignState.SENDING


@pytest.mark.parametrize(("answer", "pauses"), [(NO_DKIM, True), (WHIM, False)])
def test_what_is_accepted_in_between_speaks_only_against_what_is_not_known(
    db: Database, answer: tuple[int, str], *, pauses: bool
) -> None:
    campaign_id = store(db, 8)
    claims = at_domains(db, campaign_id, claim(db, worker(db), campaign_id, 8))
    for number, claimed in enumerate(claims):
        accepted = number % 2
        commit(db, [result(claimed, AttemptResult.SENT) if accepted else refused(claimed, *answer)])
    assert (state(db, campaign_id)[0] is CampaignState.PAUSED) is pauses


def test_what_nobody_knows_pauses_where_it_holds_for_everybody(db: Database) -> None:
    campaign_id = store(db, 3)
    claims = at_domains(db, campaign_id, claim(db, worker(db), campaign_id, 3))
    for claimed in claims:
        commit(db, [refused(claimed, *WHIM)])
    assert state(db, campaign_id)[0] is CampaignState.PAUSED


@pytest.mark.parametrize("answer", [SPAM, NO_PTR])
def test_one_receiver_among_many_is_seen_at_its_own_domain(db: Database, answer: tuple[int, str]) -> None:
    campaign_id = store(db, 100)
    refuse_here_and_there(db, campaign_id, answer)
    assert state(db, campaign_id)[0] is CampaignState.PAUSED


def refuse_here_and_there(db: Database, campaign_id: int, answer: tuple[int, str]) -> None:
    """Have one receiver refuse three, and all others accept."""
    claims = claim(db, worker(db), campaign_id, 100)
    others = at_domains(db, campaign_id, claims)
    for number in range(3):
        sent = [result(it, AttemptResult.SENT) for it in others[30 * number : 30 * number + 29]]
        commit(db, [*sent, refused(claims[30 * number + 29], *answer)])


def test_after_a_resume_it_is_counted_anew(db: Database) -> None:
    campaign_id = store(db, 6)
    claims = claim(db, worker(db), campaign_id, 6)
    commit(db, [refused(it, *SPAM) for it in claims[:3]])
    with db.write() as connection:
        assert lifecycle.act(connection, campaign_id, CampaignAction.RESUME)
    commit(db, [refused(it, *SPAM) for it in claims[3:5]])
    assert state(db, campaign_id)[0] is CampaignState.SENDING
    commit(db, [refused(claims[5], *SPAM)])
    assert state(db, campaign_id)[0] is CampaignState.PAUSED
