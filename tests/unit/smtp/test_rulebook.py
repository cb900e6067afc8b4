"""The rulebook: whom each refusal means, and what follows. ``refusals.txt`` holds what servers say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.reasons import WORDING
from mailing.settings import ROOT
from mailing.smtp.replies import Reply, ReplyParser, Stage, reply_from
from mailing.smtp.rulebook import RULES, THRESHOLDS, Follows, Scope, plain, rule

CASES = [
    tuple(line.split(" | ", 2))
    for line in (ROOT / "tests/unit/smtp/refusals.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def parse(text: str) -> Reply:
    (reply,) = ReplyParser().feed("".join(f"{line}\r\n" for line in text.split("\n")).encode())
    return reply


@pytest.mark.parametrize("it", RULES, ids=lambda it: it.ruling.rule)
def test_the_example_of_each_rule_is_judged_by_it_and_no_other(it):
    assert rule(it.example.stage, parse(it.example.reply), it.example.server) == it.ruling


@pytest.mark.parametrize(("stage", "meaning", "text"), CASES, ids=[text[:60] for _, _, text in CASES])
def test_what_servers_say_means_whom_it_means(stage, meaning, text):
    ruling = rule(Stage(stage), parse(text.replace("\\n", "\n")))
    assert f"{ruling.scope}/{ruling.follows}" == meaning


def test_the_rules_are_told_apart_and_say_where_they_are_from():
    ids = [it.ruling.rule for it in RULES]
    assert len(set(ids)) == len(ids)
    assert all(it.source for it in RULES)


@pytest.mark.parametrize("it", RULES, ids=lambda it: it.ruling.rule)
def test_a_rule_that_stops_a_campaign_says_what_to_look_at(it):
    stops = it.ruling.follows in {Follows.PAUSE, Follows.STOP}
    assert (f"check.{it.ruling.check}" in WORDING) if stops else not it.ruling.check
    assert (it.ruling.threshold in THRESHOLDS) is (it.ruling.follows is Follows.PAUSE)


@pytest.mark.parametrize("it", RULES, ids=lambda it: it.ruling.rule)
def test_a_rule_is_written_in_the_small_letters_that_it_is_compared_with(it):
    for pattern in (it.words, it.server):
        assert not pattern or not re.search(r"(?<!\\)[A-Z]", pattern.pattern)


@pytest.mark.parametrize(
    ("server", "meaning"),
    [
        ("smtp.office365.com:587", (Scope.ACCOUNT, Follows.STOP)),
        ("SMTP-Legacy.Outlook.com:587", (Scope.ACCOUNT, Follows.STOP)),
        ("gmail-smtp-in.l.google.com:25", (Scope.DNS, Follows.PAUSE)),
        ("mx.one.example:25", (Scope.MESSAGE, Follows.PAUSE)),
    ],
)
def test_the_same_code_means_another_thing_at_another_server(server, meaning):
    ruling = rule(Stage.DOT, parse("550 5.7.30 Not accepted"), server)
    assert (ruling.scope, ruling.follows) == meaning


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.DOT])
@pytest.mark.parametrize("text", ["550 5.1.1 quota of users reached: no such user", "550 5.1.1 daily limit"])
def test_a_dead_mailbox_is_never_the_accounts_affair(stage, text):
    assert rule(stage, parse(text)).scope is Scope.RECIPIENT


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA, Stage.DOT])
@pytest.mark.parametrize(
    "text",
    [
        "554 delivery error: dd This account has been temporarily suspended. - mta1.mail.gq1.yahoo.com",
        "554 5.0.0 Sorry, this account has been disabled or discontinued [#102]",
        "550 This account is not active",
        "550 Requested action not taken: this user has been suspended",
        "550 This domain is suspended",
        "550 5.7.1 recipient's subscription has expired",
    ],
)
def test_the_account_of_one_recipient_that_was_closed_stops_nobody_else(stage, text):
    ruling = rule(stage, parse(text))
    assert ruling.scope is Scope.RECIPIENT or THRESHOLDS[ruling.threshold].unbroken


@pytest.mark.parametrize("code", ["501", "502", "503"])
def test_a_ban_of_our_account_is_not_the_messages_fault(code):
    assert rule(Stage.DOT, parse(f"550 5.7.{code} Access denied, spam abuse detected")).scope is Scope.ACCOUNT


@pytest.mark.parametrize(
    "address", ["daily.quota@limit.example", "spam@blocklist.example", "dmarc@spf.example"]
)
def test_the_words_of_an_address_mean_nothing(address):
    ruling = rule(Stage.RCPT, parse(f"550 5.7.1 <{address}>: Recipient address rejected: no"))
    assert (ruling.scope, ruling.follows) == (Scope.RECIPIENT, Follows.FAIL)


def test_words_that_are_parted_by_a_line_break_and_its_codes_are_read_as_one():
    assert (
        plain("550-5.4.5 Daily user\n550-5.4.5 sending\n550 5.4.5 limit <a@b>")
        == "daily user sending limit <@>"
    )


@given(st.sampled_from(Stage), st.integers(400, 599), st.text(max_size=200))
def test_every_refusal_has_a_ruling(stage, code, text):
    ruling = rule(stage, reply_from(code, text))
    assert ruling.rule


@given(st.integers(400, 599), st.from_regex(r"[245]\.[0-7]\.\d{1,3}", fullmatch=True))
def test_no_single_refusal_of_policy_at_rcpt_stops_a_campaign(code, enhanced):
    if code in {530, 534, 535, 538}:  # the sign-in
        return
    ruling = rule(Stage.RCPT, Reply(code, enhanced, f"{code} {enhanced} <ann@one.example>: rejected"))
    assert ruling.follows is not Follows.STOP or enhanced[2:] in {"7.705", "7.708", "7.750"}
