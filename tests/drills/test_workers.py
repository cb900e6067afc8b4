"""Workers are killed, stopped and frozen in mid-campaign, one and all."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, text

from mailing.core.states import CampaignAction, CampaignState
from mailing.core.tables import attempts, recipients
from mailing.core.tables import workers as worker_rows
from mailing.ledger import leases
from tests.drills.freezing import freeze_one, idle_transactions
from tests.drills.judging import DRAFT, MOST_IN_FLIGHT
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Drill
    from tests.support.stack import Stack

EVERY_S = 2.0
SLOW = {"workers": 3, "connections": 5, "think_s": 0.03}  # slow enough to be hit again and again
SLOWER = {**SLOW, "think_s": 0.15}  # so that no short one is over before a worker is frozen
WAITING_FOR_A_LOCK = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND wait_event_type = 'Lock' AND query_start < now() - interval '3 s'"
)


def signal_one(stack: Stack, number: int) -> str:
    """Send a worker's process a signal; return its name."""
    process = random.choice(stack.worker_pids())
    os.kill(process, number)
    return leases.name_of(process)


def test_a_worker_is_killed_every_2_s(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    killed: list[str] = []
    it.begin()
    it.disturb(lambda: killed.append(signal_one(it.stack, signal.SIGKILL)), EVERY_S, times=10)
    it.end()
    it.judge(killed=killed)


@pytest.mark.short(on="sqlite")
def test_a_worker_is_killed_every_2_s_while_a_receiver_wants_silence(drill: Callable[..., Drill]) -> None:
    """Its lane heals only if all workers together are silent, also those that come after the dead."""
    it = drill(**SLOW, extra={"SINK_MISDEED": "wants_silence"})
    killed: list[str] = []
    it.begin(sent=0)
    it.disturb(lambda: killed.append(signal_one(it.stack, signal.SIGKILL)), EVERY_S, times=4)
    it.end()
    it.judge(killed=killed)
    assert it.row.deferrals, "it did no misdeed"


def test_all_workers_are_killed_every_2_s(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    killed: list[str] = []
    it.begin()

    def strike() -> None:
        killed.extend(map(leases.name_of, it.stack.worker_pids()))
        it.stack.kill("worker")
        it.stack.start("worker")

    it.disturb(strike, EVERY_S, times=6)
    it.end()
    it.judge(killed=killed)


@pytest.mark.short(on="sqlite")
def test_all_workers_are_killed_again_and_again_as_a_scheduled_campaign_starts(
    drill: Callable[..., Drill],
) -> None:
    it = drill(**SLOW)
    killed: list[str] = []

    def strike() -> None:
        killed.extend(map(leases.name_of, it.stack.worker_pids()))
        it.stack.kill("worker")
        it.stack.start("worker")

    it.plan(1.0)
    it.disturb(strike, 1.0, times=4)
    it.end()
    it.judge(killed=killed)


def test_a_worker_is_asked_to_stop_every_2_s(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    it.begin()
    it.disturb(lambda: signal_one(it.stack, signal.SIGTERM), EVERY_S, times=10)
    it.end()
    it.judge()


def test_all_workers_are_asked_to_stop_every_2_s(drill: Callable[..., Drill]) -> None:
    it = drill(**SLOW)
    it.begin()

    def strike() -> None:
        it.stack.stop("worker")
        it.stack.start("worker")

    it.disturb(strike, EVERY_S, times=6)
    it.end()
    it.judge()


@pytest.mark.parametrize(
    "misdeed",
    [pytest.param("", id="", marks=pytest.mark.short), pytest.param("answers_late", id="slow dialogue")],
)
def test_a_worker_is_frozen_for_longer_than_its_lease(drill: Callable[..., Drill], misdeed: str) -> None:
    """What it had in hand is unknown until it wakes; then it tells, and sends no more of it."""
    it = drill(**SLOWER, extra={"SINK_MISDEED": misdeed} if misdeed else {})
    it.begin()
    frozen = freeze_one(it.stack, in_transaction=False)
    name = leases.name_of(frozen)
    try:
        time.sleep(leases.LEASE_S)  # the fault itself
        wait_until(lambda: it.count("unknown"), "the lease ends")
        it.end()  # without it
        time.sleep(1)  # what was on the wire has arrived at the sink
        arrived = it.stack.delivered()
        with it.stack.db.read() as connection:
            incarnation = connection.execute(
                select(worker_rows.c.id).where(
                    worker_rows.c.name == name, worker_rows.c.ended_at.is_not(None)
                )
            ).scalar_one()
    finally:
        os.kill(frozen, signal.SIGCONT)
    wait_until(lambda: not it.count("unknown"), "the woken worker tells what became of what it held")
    it.end()
    with it.stack.db.read() as connection:
        its = connection.execute(
            select(recipients.c.email)
            .join(attempts, attempts.c.recipient_id == recipients.c.id)
            .where(attempts.c.worker_id == incarnation, attempts.c.result == "sent")
        ).scalars()
        assert not [email for email in its if email not in arrived], "sent by a worker without a lease"
    it.judge()


@pytest.mark.short
def test_a_worker_is_frozen_in_the_middle_of_a_transaction(drill: Callable[..., Drill]) -> None:
    """On PostgreSQL the others go on. What it holds is theirs once a sweep has ended its session.

    SQLite has one lock for all who write, and nobody can take it from a process that lives: all wait.
    """
    it = drill(**SLOWER)
    it.begin()
    frozen = freeze_one(it.stack, in_transaction=True)
    try:
        time.sleep(1.5 * leases.LEASE_S)  # the fault itself
        if not it.stack.db.sqlite:
            most = MOST_IN_FLIGHT * it.stack.connections  # whose claim is in that transaction
            wait_until(lambda: it.count("queued") <= most, "the others send the rest")
            assert not idle_transactions(it.stack)
            with it.stack.db.read() as connection:
                assert not connection.execute(WAITING_FOR_A_LOCK).scalar_one()
    finally:
        os.kill(frozen, signal.SIGCONT)
    it.end()
    wait_until(lambda: not it.count("unknown"), "the woken worker tells what became of what it held")
    it.end()
    it.judge()


@pytest.mark.short(on="sqlite")
def test_all_workers_are_killed_while_the_canary_is_sent(drill: Callable[..., Drill]) -> None:
    """Nobody else is mailed before a verdict; a person resumes where those in doubt make it a bad one."""
    it = drill(workers=2, connections=2, think_s=0.1)
    canary = it.share(0.2)
    it.begin(replace(DRAFT, canary=canary), sent=2)
    killed = [leases.name_of(pid) for pid in it.stack.worker_pids()]
    it.stack.kill("worker")
    it.stack.start("worker")

    def judged() -> bool:
        tried = it.row.recipients - it.count("queued")
        waits = it.stack.campaign(it.campaign_id).canary_until is not None
        assert not waits or tried <= canary, f"{tried} were tried, and the canary has {canary}"
        return not waits

    wait_until(judged, "the canary has its verdict", 60)
    if it.stack.campaign(it.campaign_id).state == CampaignState.PAUSED:
        it.stack.act(it.campaign_id, CampaignAction.RESUME)
    it.end()
    it.judge(killed=killed)
