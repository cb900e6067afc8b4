"""What becomes of a recipient by a verdict."""

import pytest

from mailing.core.states import AttemptResult
from mailing.delivery.outcome import Tries, fate
from mailing.smtp import verdicts
from mailing.smtp.replies import Stage, reply_from
from mailing.smtp.verdicts import classify

DAY_MS = 86_400_000
NOW = 10 * DAY_MS


def after(
    code: int, text: str, *, n: int = 1, first_at: int = NOW, rested_ms: int = 0, stage: Stage = Stage.DOT
):
    reply = reply_from(code, text)
    return fate(classify(stage, reply), reply.text, Tries(n, first_at, DAY_MS, rested_ms), NOW, 0.5)


def test_who_is_accepted_is_sent():
    assert after(250, "2.0.0 ok") == (AttemptResult.SENT, None, None)


def test_who_is_refused_for_now_is_tried_later_each_time():
    waits = [after(450, "4.2.0 busy", n=n).due_at - NOW for n in (1, 2, 3)]
    assert waits == [60_000, 120_000, 240_000]


@pytest.mark.parametrize(
    ("code", "text", "least_s"),
    [
        (421, "4.7.28 unusual rate of mail", 600),
        (550, "5.7.28 unusual rate of mail", 600),
        (550, "5.2.1 receiving mail at a rate that prevents additional messages", 900),
        (450, "4.2.0 busy, try again in 10 minutes", 600),
        (550, "Ip frequency limited, retry after 1970-01-11T00:20:00Z", 1200),
    ],
)
def test_the_wait_of_the_rule_or_of_the_reply_is_the_least(code, text, least_s):
    it = after(code, text)
    assert it.result is AttemptResult.DEFERRED
    assert least_s <= (it.due_at - NOW) / 1000 <= least_s * 1.25


def test_a_wait_in_the_reply_counts_more_than_that_of_the_rule():
    assert after(421, "4.7.28 unusual rate of mail, retry in 20 seconds").due_at - NOW == 60_000


def test_who_was_tried_for_too_long_fails_but_not_by_the_time_in_which_the_sender_waited():
    tried = {"first_at": NOW - DAY_MS - 1000}
    assert after(450, "4.2.0 busy", **tried).result is AttemptResult.FAILED
    assert after(450, "4.2.0 busy", **tried, rested_ms=2000).result is AttemptResult.DEFERRED


def test_a_quota_of_ours_fails_nobody_however_long_it_was_tried():
    it = after(550, "5.4.5 Daily user sending limit exceeded", first_at=0)
    assert (it.result, it.due_at) == (AttemptResult.RETURNED, None)
    assert it.ruling.wait_s == 3600


def test_the_sender_waits_for_as_long_as_the_reply_names():
    assert after(452, "daily quota exceeded, try again in 7 minutes").ruling.wait_s == 420


def test_who_failed_is_given_no_wait():
    assert after(550, "5.1.1 no such user, try again in 5 minutes", stage=Stage.RCPT).due_at is None


def test_without_an_answer_the_mail_is_tried_later():
    it = fate(verdicts.of(verdicts.LATER), "Connection lost.", Tries(1, NOW, DAY_MS), NOW, 0.5)
    assert (it.result, it.due_at) == (AttemptResult.DEFERRED, NOW + 60_000)
