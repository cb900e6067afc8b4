"""What becomes of one email by what the server answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.states import AttemptResult
from mailing.smtp.replies import OPENING, ReplyParser, Stage, reply_from
from mailing.smtp.rulebook import Follows, Scope
from mailing.smtp.verdicts import classify

SENT, DEFERRED, FAILED = AttemptResult.SENT, AttemptResult.DEFERRED, AttemptResult.FAILED
UNKNOWN, RETURNED = AttemptResult.UNKNOWN, AttemptResult.RETURNED


def judge(stage: Stage, line: str):
    (reply,) = ReplyParser().feed(line.encode() + b"\r\n")
    return classify(stage, reply)


@given(st.sampled_from(Stage), st.integers(0, 999), st.text(max_size=60))
def test_every_reply_at_every_stage_has_a_verdict(stage, code, text):
    verdict = classify(stage, reply_from(code, text))
    assert (verdict.result is SENT) == (stage is Stage.DOT and 200 <= code < 300)
    assert (verdict.ruling is None) == (not 400 <= code < 600)
    if verdict.sender_fault:
        assert verdict.result is RETURNED


def test_only_a_2xx_behind_the_dot_is_sent():
    assert judge(Stage.DOT, "250 2.0.0 queued").result is SENT
    assert judge(Stage.DOT, "250 5.1.1 class and code differ").result is SENT


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
def test_a_4xx_is_deferred(stage):
    verdict = judge(stage, "450 4.2.0 busy")
    assert verdict.result is DEFERRED
    assert not verdict.close
    assert not verdict.slow_down


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.DOT])
def test_a_5xx_about_the_recipient_is_failed(stage):
    verdict = judge(stage, "550 5.1.1 no such user")
    assert verdict.result is FAILED
    assert not verdict.close


@pytest.mark.parametrize(
    ("line", "result"),
    [("550 4.2.2 full", FAILED), ("450 5.1.1 no such user", DEFERRED), ("450 5.7.1 no", DEFERRED)],
)
def test_the_basic_code_rules_where_the_enhanced_one_differs(line, result):
    assert judge(Stage.RCPT, line).result is result


@pytest.mark.parametrize("stage", Stage)
def test_a_421_closes_and_slows_wherever_it_comes(stage):
    verdict = judge(stage, "421 4.3.2 shutting down")
    if stage is Stage.AUTH:  # our sign-in: the account waits
        assert (verdict.result, verdict.close) == (RETURNED, True)
    else:
        assert (verdict.result, verdict.close, verdict.slow_down) == (DEFERRED, True, True)


@pytest.mark.parametrize(
    "line",
    [
        "451 4.7.1 try again later",
        "421 4.7.28 unusual rate",
        "450 rate limited",
        "451 Too many messages",
        "452 4.3.1 throttled, slow down",
        "450 4.2.1 Daily sending limit exceeded",
        "550 5.7.28 unusual rate of unsolicited mail",
        "550 Ip frequency limited",
    ],
)
def test_a_refusal_of_rate_slows_the_lane_and_fails_nobody(line):
    verdict = judge(Stage.RCPT, line)
    assert verdict.slow_down
    assert verdict.result in {DEFERRED, RETURNED}


@pytest.mark.parametrize(
    "line",
    [
        "452 4.2.2 mailbox size limit exceeded",
        "451 4.3.0 corporate separate operator",
        "450 busy",
        "451 4.7.1 <ann@one.example>: greylisted, please try again later",
        "450 4.7.1 Gray-listing in effect",
        "421 Max message per connection reached",
        "432 4.3.2 Concurrent connections limit exceeded",
    ],
)
def test_other_refusals_do_not_slow_the_lane(line):
    assert not judge(Stage.RCPT, line).slow_down


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
@pytest.mark.parametrize("line", ["530 5.7.0 sign in first", "530 sign in", "535 5.7.8 wrong"])
def test_what_the_sender_must_mend_is_returned_and_never_the_recipients_fault(stage, line):
    verdict = judge(stage, line)
    assert (verdict.result, verdict.sender_fault) == (RETURNED, True)


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
@pytest.mark.parametrize(
    "line",
    [
        "554 5.7.1 relay access denied",
        "550 5.7.26 unauthenticated",
        "550 5.1.8 sender's domain does not exist",
    ],
)
def test_what_may_be_everybodys_affair_fails_nobody_and_is_one_refusal_of_some(stage, line):
    verdict = judge(stage, line)
    assert (verdict.result, verdict.follows, verdict.sender_fault) == (DEFERRED, Follows.PAUSE, False)


@pytest.mark.parametrize("stage", sorted(OPENING))
def test_a_5xx_before_any_recipient_is_named_is_the_senders_fault(stage):
    verdict = judge(stage, "554 5.3.2 no service")
    assert (verdict.result, verdict.sender_fault, verdict.close) == (RETURNED, True, True)


def test_a_5xx_to_mail_fails_nobody():
    assert judge(Stage.MAIL, "550 5.1.0 sender rejected").result is DEFERRED


@pytest.mark.parametrize("line", ["552 5.3.4 too large", "552 too large", "553 5.6.7 no SMTPUTF8"])
def test_a_5xx_to_mail_that_speaks_of_this_message_fails_it(line):
    assert judge(Stage.MAIL, line).result is FAILED


def test_a_temporary_fault_of_the_sign_in_has_the_sender_wait():
    verdict = judge(Stage.AUTH, "454 4.7.0 temporary authentication failure")
    assert (verdict.result, verdict.follows, verdict.sender_fault) == (RETURNED, Follows.REST, False)
    assert judge(Stage.RCPT, "454 4.7.0 later").result is DEFERRED
    assert judge(Stage.TLS, "454 4.7.0 TLS not available").result is DEFERRED


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
@pytest.mark.parametrize("code", [421, 432, 450, 451, 452, 454])
def test_too_many_connections_is_no_delay_for_the_mail(stage, code):
    verdict = judge(stage, f"{code} 4.3.2 Too many concurrent connections")
    assert (verdict.follows, verdict.goes_on, verdict.close) == (Follows.NARROW, True, True)


def test_a_quota_of_ours_is_returned_even_as_a_5xx():
    verdict = judge(Stage.DOT, "550 5.4.5 Daily user sending limit exceeded")
    assert verdict.ruling
    assert (verdict.result, verdict.ruling.scope, verdict.close) == (RETURNED, Scope.ACCOUNT, False)


def test_a_code_out_of_step_closes_and_is_unknown_behind_the_dot_only():
    assert judge(Stage.DATA, "250 ok") == judge(Stage.RCPT, "354 go")
    assert judge(Stage.DATA, "250 ok").result is DEFERRED
    assert judge(Stage.DATA, "250 ok").close
    assert judge(Stage.DOT, "354 go").result is UNKNOWN
    assert judge(Stage.DOT, "354 go").close
