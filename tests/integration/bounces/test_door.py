"""Servers bring bounces over LMTP and SMTP: each is recorded before it is accepted, and none twice."""

from __future__ import annotations

import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from mailing.bounces import store, tokens
from mailing.bounces.tokens import Returns
from tests.integration.bounces.test_recording import SENT, id_of, token_of
from tests.support import bounces
from tests.support.stack import free_port
from tests.support.web import deliver
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.stack import Stack

DOMAIN = "bounces.sender.example"
N = 1_000


@pytest.fixture
def stack(make_stack: Callable[..., Stack]) -> Stack:
    """A Volley with nothing but its door for bounces."""
    bind = f"127.0.0.1:{free_port()}"
    made = make_stack(extra={"VOLLEY_BOUNCE_DOMAIN": DOMAIN, "VOLLEY_BOUNCE_BIND": bind})
    made.start("bounces")
    return made


def sent_to(stack: Stack, n: int) -> tuple[int, list[tuple[str, str]]]:
    """Send a campaign to this many; return its id, and each recipient with the envelope sender."""
    people = [f"p{it}@x.example" for it in range(n)]
    campaign_id = store_campaign(stack.db, "\n".join(people), send=True)
    deliver(stack.db, *[SENT] * n, campaign_id=campaign_id)
    first, token = id_of(stack.db, campaign_id, people[0]), token_of(stack.db, campaign_id)
    with stack.db.read() as connection:
        returns = Returns(DOMAIN, tokens.stored(connection))
    return campaign_id, [(it, returns.address(first + n, token)) for n, it in enumerate(people)]


def report(person: str, address: str) -> bytes:
    return bounces.dsn(person, to=address, number=person)


def bring(stack: Stack, some: Sequence[tuple[str, str]], kind: type[smtplib.SMTP] = smtplib.LMTP) -> None:
    assert stack.settings.bounce_bind
    with kind(*stack.settings.bounce_bind, timeout=30) as line:
        for person, address in some:
            line.sendmail("", [address], report(person, address))


def hard(stack: Stack, campaign_id: int) -> int:
    with stack.db.read() as connection:
        return store.counts(connection, campaign_id).hard


def test_a_thousand_reports_over_ten_lines_find_their_thousand_recipients(stack: Stack) -> None:
    campaign_id, sent = sent_to(stack, N)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda n: bring(stack, sent[n::10]), range(10)))
    assert hard(stack, campaign_id) == N
    bring(stack, sent[:50], smtplib.SMTP)
    assert hard(stack, campaign_id) == N


def test_what_was_accepted_before_a_kill_is_recorded_and_what_comes_again_counts_once(stack: Stack) -> None:
    campaign_id, sent = sent_to(stack, 400)
    accepted: list[str] = []

    def bring_until_it_ends() -> None:
        assert stack.settings.bounce_bind
        line = smtplib.LMTP(*stack.settings.bounce_bind, timeout=30)
        try:
            for person, address in sent:
                line.sendmail("", [address], report(person, address))
                accepted.append(person)
        except (smtplib.SMTPException, OSError):
            return

    bringing = threading.Thread(target=bring_until_it_ends)
    bringing.start()
    while len(accepted) < 50 and bringing.is_alive():
        pass
    stack.kill("bounces")
    bringing.join()
    assert len(accepted) <= hard(stack, campaign_id) <= len(accepted) + 1
    stack.start("bounces")
    bring(stack, sent)
    assert hard(stack, campaign_id) == len(sent)


def test_other_addresses_are_refused_and_a_stop_is_clean(stack: Stack) -> None:
    assert stack.settings.bounce_bind
    line = smtplib.SMTP(*stack.settings.bounce_bind, timeout=30)
    line.ehlo()
    line.mail("")
    assert line.rcpt("ann@x.example")[0] == 550
    assert stack.stop("bounces") < 10
    assert line.noop()[0] == 421
    line.close()
