from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.replies import (
    MAX_DELAY_S,
    MAX_LINE,
    MAX_REPLY,
    OPENING,
    Reply,
    ReplyError,
    ReplyParser,
    Stage,
    asked_delay,
    classify,
    explain,
    reply_from,
)
from mailing.states import AttemptResult

SENT, DEFERRED, FAILED = AttemptResult.SENT, AttemptResult.DEFERRED, AttemptResult.FAILED
UNKNOWN, RETURNED = AttemptResult.UNKNOWN, AttemptResult.RETURNED


def parse(data: bytes) -> list[Reply]:
    return ReplyParser().feed(data)


def judge(stage: Stage, line: str):
    (reply,) = parse(line.encode() + b"\r\n")
    return classify(stage, reply)


# Reading


def test_a_reply_keeps_its_line_verbatim():
    assert parse(b"250 2.1.5 Ok  <a@b>\r\n") == [Reply(250, "2.1.5", "250 2.1.5 Ok  <a@b>")]


def test_several_replies_in_one_portion_come_in_order():
    assert [reply.code for reply in parse(b"250 a\r\n550 b\r\n354 c\r\n")] == [250, 550, 354]


def test_a_reply_of_many_lines_is_one_reply():
    (reply,) = parse(b"550-5.1.1 No such\r\n550-5.1.1 user\r\n550 5.1.1 here\r\n")
    assert reply == Reply(550, "5.1.1", "550-5.1.1 No such\n550-5.1.1 user\n550 5.1.1 here")


def test_the_last_code_counts_where_the_lines_of_a_reply_differ():
    (reply,) = parse(b"450-wait\r\n550 no\r\n")
    assert reply.code == 550
    assert reply.text == "450-wait\n550 no"


def test_a_reply_that_arrives_byte_by_byte_is_read():
    parser = ReplyParser()
    replies = [reply for byte in b"250-a\r\n250 b\r\n" for reply in parser.feed(bytes([byte]))]
    assert replies == [Reply(250, "", "250-a\n250 b")]


@pytest.mark.parametrize("line", [b"250 ok\n", b"250 ok\r\n"])
def test_a_bare_line_feed_ends_a_line_too(line):
    assert parse(line)[0].text == "250 ok"


@pytest.mark.parametrize("line", [b"250\r\n", b"250 \r\n", b"250\tok\r\n"])
def test_a_reply_without_text_is_a_reply(line):
    assert parse(line)[0].code == 250


def test_bytes_that_are_no_utf8_are_shown_escaped():
    assert parse(b"550 caf\xe9\r\n")[0].text == "550 caf\\xe9"
    assert parse("550 café\r\n".encode())[0].text == "550 café"


def test_control_characters_are_shown_escaped_for_no_database_takes_them_all():
    assert parse(b"550 a\x00b\x1b[1m\x7f\r\n")[0].text == "550 a\\x00b\\x1b[1m\\x7f"


@pytest.mark.parametrize(
    ("line", "enhanced"),
    [
        (b"250 2.1.0 ok", "2.1.0"),
        (b"550 5.1.1", "5.1.1"),
        (b"550 4.2.2 class differs", "4.2.2"),
        (b"550 3.1.1 no such class", ""),
        (b"550 5.1 too short", ""),
        (b"550 5.1.1000 too long", ""),
        (b"550 5.1.1.1 too many", ""),
        (b"550 see 5.1.1 later", ""),
        (b"550-hello\r\n550 5.7.1 on the second line", "5.7.1"),
    ],
)
def test_an_enhanced_code_is_taken_only_if_it_is_valid(line, enhanced):
    assert parse(line + b"\r\n")[0].enhanced == enhanced


@pytest.mark.parametrize(
    "line", [b"hello", b"", b"25 ok", b"2500 ok", b"150 ok", b"650 ok", b"250_ok", b" 250 ok"]
)
def test_what_is_no_reply_is_an_error(line):
    with pytest.raises(ReplyError, match="no SMTP reply"):
        parse(line + b"\r\n")


def test_replies_before_a_fault_are_not_lost():
    with pytest.raises(ReplyError) as error:
        parse(b"250 ok\r\ngarbage\r\n250 ok\r\n")
    assert [reply.code for reply in error.value.replies] == [250]


def test_a_line_without_end_is_an_error_before_it_fills_the_memory():
    parser = ReplyParser()
    parser.feed(b"2" * MAX_LINE)
    with pytest.raises(ReplyError, match="line of more than"):
        parser.feed(b"22")


def test_a_line_as_long_as_allowed_is_read():
    line = b"250 " + b"x" * (MAX_LINE - 4)
    assert parse(line + b"\r\n")[0].text == line.decode()
    with pytest.raises(ReplyError, match="line of more than"):
        parse(line + b"x\r\n")


def test_a_reply_without_end_is_an_error():
    with pytest.raises(ReplyError, match="reply of more than"):
        parse(b"250-and so on\r\n" * MAX_REPLY)


def read_in(portions: list[bytes]) -> tuple[list[Reply], bool]:
    parser, replies = ReplyParser(), []
    try:
        for portion in portions:
            replies += parser.feed(portion)
    except ReplyError as error:
        return replies + error.replies, True
    return replies, False


SMTP_LIKE = st.lists(
    st.sampled_from(
        [b"250 ok\r\n", b"250-more\r\n", b"550 5.1.1 no\n", b"4", b"21", b" ", b"-", b"\r\n", b"\n", b"\r"]
    )
    | st.binary(max_size=8),
    max_size=30,
).map(b"".join)


@given(SMTP_LIKE, st.data())
def test_replies_are_the_same_however_their_bytes_were_split(data, chance):
    cuts = sorted(chance.draw(st.lists(st.integers(0, len(data)), max_size=8)))
    edges = [0, *cuts, len(data)]
    portions = [data[start:end] for start, end in pairwise(edges)]
    assert read_in(portions) == read_in([data]) == read_in([data[i : i + 1] for i in range(len(data))])


@given(st.sampled_from(Stage), st.integers(0, 999), st.text(max_size=60))
def test_every_reply_at_every_stage_has_a_verdict_and_words(stage, code, text):
    reply = reply_from(code, text)
    verdict = classify(stage, reply)
    assert (verdict.result is SENT) == (stage is Stage.DOT and 200 <= code < 300)
    assert explain(code, reply.enhanced)
    if verdict.sender_fault:
        assert verdict.result is RETURNED


# Judging


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
    assert (verdict.result, verdict.close, verdict.slow_down) == (DEFERRED, True, True)


@pytest.mark.parametrize(
    "line",
    [
        "451 4.7.1 try again later",
        "451 4.7.1 greylisted: too many messages",
        "450 4.7.28 unusual rate",
        "450 rate limited",
        "451 Too many messages",
        "452 4.3.1 throttled, slow down",
        "450 4.2.1 Daily sending limit exceeded",
    ],
)
def test_a_refusal_of_rate_slows_the_lane(line):
    assert judge(Stage.RCPT, line).slow_down


@pytest.mark.parametrize(
    "line",
    [
        "452 4.2.2 mailbox size limit exceeded",
        "451 4.3.0 corporate separate operator",
        "450 busy",
        "451 4.7.1 <ann@one.example>: greylisted, please try again later",
        "450 4.7.1 Gray-listing in effect",
    ],
)
def test_other_refusals_do_not_slow_the_lane(line):
    assert not judge(Stage.RCPT, line).slow_down


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
@pytest.mark.parametrize(
    "line",
    [
        "554 5.7.1 relay access denied",
        "550 5.7.26 unauthenticated",
        "530 5.7.0 sign in first",
        "530 sign in",
        "535 5.7.8 wrong",
        "550 4.7.1 class and code differ",
        "550 5.1.8 sender's domain does not exist",
    ],
)
def test_what_the_sender_must_mend_is_returned_and_never_the_recipients_fault(stage, line):
    verdict = judge(stage, line)
    assert (verdict.result, verdict.sender_fault) == (RETURNED, True)


@pytest.mark.parametrize("stage", sorted(OPENING))
def test_a_5xx_before_any_recipient_is_named_is_the_senders_fault(stage):
    verdict = judge(stage, "554 5.3.2 no service")
    assert (verdict.result, verdict.sender_fault, verdict.close) == (RETURNED, True, True)


def test_a_5xx_to_mail_is_the_senders_fault():
    assert judge(Stage.MAIL, "550 5.1.0 sender rejected").sender_fault


@pytest.mark.parametrize("line", ["552 5.3.4 too large", "552 too large", "553 5.6.7 no SMTPUTF8"])
def test_a_5xx_to_mail_that_speaks_of_this_message_fails_it(line):
    assert judge(Stage.MAIL, line).result is FAILED


def test_a_temporary_fault_of_the_sign_in_is_the_senders_fault_only_at_the_sign_in():
    assert judge(Stage.AUTH, "454 4.7.0 temporary authentication failure").sender_fault
    assert not judge(Stage.RCPT, "454 4.7.0 later").sender_fault
    assert judge(Stage.TLS, "454 4.7.0 TLS not available").result is DEFERRED


def test_a_code_out_of_step_closes_and_is_unknown_behind_the_dot_only():
    assert judge(Stage.DATA, "250 ok") == judge(Stage.RCPT, "354 go")
    assert judge(Stage.DATA, "250 ok").result is DEFERRED
    assert judge(Stage.DATA, "250 ok").close
    assert judge(Stage.DOT, "354 go").result is UNKNOWN
    assert judge(Stage.DOT, "354 go").close


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("451 4.7.1 Please try again in 5 minutes", 300),
        ("451 retry after 300 seconds", 300),
        ("451 Greylisting in action, please come back in 00:05:00", 300),
        ("450 Greylisted for 5 minutes", 300),
        ("451 retry in 1 hour", 3600),
        ("451 try again in 4 mins, 30 secs", 270),
        ("451 wait 90s", 90),
        ("451 Retry-After: 120", 120),
        ("451 try again in 99999 hours", MAX_DELAY_S),
        ("451-4.7.1 busy\n451 4.7.1 try in 2 min", 120),
        ("451 try again later", None),
        ("451 queue 300 seconds", None),
        ("451 in 5 mailboxes", None),
    ],
)
def test_a_wait_named_in_the_reply_is_understood(text, seconds):
    assert asked_delay(text) == seconds


def test_a_wait_counts_only_in_a_temporary_refusal():
    assert judge(Stage.RCPT, "451 4.7.1 try again in 5 minutes").asked_delay_s == 300
    assert judge(Stage.RCPT, "550 5.1.1 try again in 5 minutes").asked_delay_s is None


@pytest.mark.parametrize(
    ("code", "enhanced", "words"),
    [
        (550, "5.1.1", "the address does not exist"),
        (452, "4.2.2", "the mailbox is full"),
        (250, "2.1.5", "the server accepted the message"),
        (550, "", "the mailbox does not exist, or the server refuses to deliver to it"),
        (554, "5.0.0", "the server refused the message"),
        (599, "5.4.99", "the network or the route to the mailbox failed"),
        (459, "", "the server cannot take the message at present"),
        (0, "", "the server gave an answer that has no meaning here"),
        (0, "5.6.7", "the address needs international email (SMTPUTF8), which the server does not support"),
    ],
)
def test_codes_are_explained_in_plain_words(code, enhanced, words):
    assert explain(code, enhanced) == words


def test_a_reply_can_be_rebuilt_from_its_code_and_message():
    assert reply_from(535, "5.7.8 Wrong\nuser") == Reply(535, "5.7.8", "535-5.7.8 Wrong\n535 user")
    assert reply_from(535, "") == Reply(535, "", "535 ")
