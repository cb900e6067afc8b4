"""Recipients are found by what an index answers, and pages lead through them and back."""

from __future__ import annotations

import pytest

from mailing.core.states import AttemptResult, RecipientState
from mailing.recipients import listing, search
from mailing.recipients.search import Choice, Sort
from mailing.reports.log import email_log
from mailing.reports.log.walks import Search
from mailing.smtp.replies import ReplyCode
from tests.support.web import deliver, store

PEOPLE = """anna@one.example Anna.B@two.example annb@one.example.org ben@one.example
under_score@one.example under-score@one.example zoë@three.example Zed@three.example"""
SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok")
FAILED = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user")
LOST = (AttemptResult.UNKNOWN, None, "", "The line broke.")


def pages(db, wanted=search.EVERYBODY, sort=Sort.LIST, limit=2):
    """The addresses on each page from the first to the last, checked against the way back."""
    there, keys = [], {"after": None}
    with db.read() as connection:
        while True:
            page = listing.recipients_page(connection, 1, wanted, sort=sort, limit=limit, **keys)
            there.append([row.email for row in page.rows])
            if page.next is None:
                break
            keys = {"after": page.next}
        back = [there[-1]]
        while page.previous is not None:
            page = listing.recipients_page(
                connection, 1, wanted, sort=sort, limit=limit, before=page.previous
            )
            back.insert(0, [row.email for row in page.rows])
    assert back == there
    return there


@pytest.fixture
def campaign(db):
    store(db, PEOPLE, send=True)
    store(db, "anna@one.example ben@two.example")
    return db


def found(db, q, state=None):
    return [email for page in pages(db, Choice(state, q), limit=2) for email in page]


def test_the_list_is_read_in_its_own_order(campaign):
    assert pages(campaign, limit=3)[0] == ["anna@one.example", "Anna.B@two.example", "annb@one.example.org"]


def test_addresses_are_put_in_order_whatever_their_case(campaign):
    together = [email for page in pages(campaign, sort=Sort.ADDRESS) for email in page]
    assert together == sorted(PEOPLE.split(), key=lambda email: email.lower().encode())


@pytest.mark.parametrize(
    ("q", "emails"),
    [
        ("ANNA", ["Anna.B@two.example", "anna@one.example"]),
        ("ann", ["Anna.B@two.example", "anna@one.example", "annb@one.example.org"]),
        ("anna@", ["anna@one.example"]),
        ("@TWO.example", ["Anna.B@two.example"]),
        ("@two", []),
        (
            "@One.example",
            [
                "anna@one.example",
                "ben@one.example",
                "under_score@one.example",
                "under-score@one.example",
            ],
        ),
        ("under_", ["under_score@one.example"]),
        ("zoë", ["zoë@three.example"]),
        ("%", []),
        ("nna", []),
    ],
)
def test_a_search_finds_what_begins_so_and_nothing_else(campaign, q, emails):
    assert found(campaign, q) == emails


@pytest.mark.parametrize("q", ["ann", "ANNA@", "@one.example", "@One.Example", "@one", "zoë", "nobody", "@"])
def test_the_log_finds_whom_the_campaign_s_page_finds(campaign, q):
    deliver(campaign, *[SENT] * len(PEOPLE.split()))
    with campaign.read() as connection:
        rows = email_log.page(connection, Search(campaign_id=1, address=q), limit=50).rows
    assert sorted(row.email for row in rows) == sorted(found(campaign, q))


@pytest.mark.parametrize("few", [0, search.FEW])
def test_a_search_within_a_state_finds_the_same_by_either_way(campaign, monkeypatch, few):
    deliver(campaign, SENT, FAILED)
    monkeypatch.setattr(search, "FEW", few)
    assert found(campaign, "ann", RecipientState.SENT) == ["anna@one.example"]
    assert found(campaign, "@one.example", RecipientState.QUEUED) == [
        "ben@one.example", "under_score@one.example", "under-score@one.example"
    ]  # fmt: skip


def test_the_latest_are_those_whose_last_try_ended_last(campaign):
    deliver(campaign, SENT, FAILED, LOST)
    assert pages(campaign, sort=Sort.LATEST) == [
        ["annb@one.example.org", "Anna.B@two.example"],
        ["anna@one.example"],
    ]


def test_those_with_a_reply_are_found_by_its_codes(campaign):
    deliver(campaign, SENT, FAILED, LOST, FAILED)
    assert pages(campaign, Choice(reply=ReplyCode(550, "5.1.1"))) == [
        ["Anna.B@two.example", "ben@one.example"]
    ]
    assert pages(campaign, Choice(reply=ReplyCode(0, ""))) == [["annb@one.example.org"]]
    assert pages(campaign, Choice(reply=ReplyCode(550, "5.2.2"))) == [[]]
    assert pages(campaign, Choice(RecipientState.FAILED, "ben", ReplyCode(550, "5.1.1"))) == [
        ["ben@one.example"]
    ]


def test_a_key_that_is_no_recipients_finds_nothing(campaign):
    with campaign.read() as connection:
        page = listing.recipients_page(connection, 1, Choice(q="a"), after=10**12)
    assert not page.rows
    assert (page.next, page.previous) == (None, None)


def test_what_is_found_is_counted_by_state_unless_it_is_too_much(campaign, monkeypatch):
    deliver(campaign, SENT, FAILED)
    with campaign.read() as connection:
        assert search.count(connection, 1, Choice(q="ann")) == {
            RecipientState.QUEUED: 1,
            RecipientState.SENT: 1,
            RecipientState.FAILED: 1,
        }
        assert search.count(connection, 1, Choice(RecipientState.FAILED, "ann")) == {RecipientState.FAILED: 1}
        monkeypatch.setattr(search, "MOST_COUNTED", 2)
        assert search.count(connection, 1, Choice(q="ann")) == {}
