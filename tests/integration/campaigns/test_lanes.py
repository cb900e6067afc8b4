"""Lanes on the page of a campaign: why one is slow, in words, and its lane by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.internet.records import advice
from mailing.ledger import rests as resting
from mailing.ledger.evidence import RECORD
from tests.support.web import store

if TYPE_CHECKING:
    from mailing.core.database import Database
    from tests.support.web import Visitor

RATE = "421 4.7.28 <b>Gmail</b> has detected an unusual rate of mail"


async def test_the_page_says_why_a_lane_is_slow_and_steers_it(visitor: Visitor, db: Database) -> None:
    sender = visitor.app.extensions["volley"].settings.sender.account
    store(db, "a@gmail.com b@att.net", send=True)
    with db.write() as connection:
        resting.begin(connection, sender, 600, RATE, tried_at=0, lane="gmail")
    text = await visitor.read("/campaigns/1")
    assert "Then a single email is sent" in text
    assert "421 4.7.28 &lt;b&gt;Gmail&lt;/b&gt; has detected" in text
    response = await visitor.post("/campaigns/1/lanes", {"receiver": "yahoo", "order": "pause"})
    assert response.status_code == 303
    assert "No email is sent to this receiver until it is resumed." in await visitor.read("/campaigns/1")
    for junk in ({}, {"receiver": "yahoo"}, {"receiver": "yahoo", "order": "x"}):
        assert (await visitor.post("/campaigns/1/lanes", junk)).status_code == 400


async def test_the_page_names_the_record_that_a_receiver_misses(visitor: Visitor, db: Database) -> None:
    sender = visitor.app.extensions["volley"].settings.sender.account
    store(db, "a@gmail.com b@att.net", send=True)
    todo = advice("spf", "club.net", "smtp.gmail.com:587", "")
    found, check = Reason("spf.none", domain="club.net"), Reason("check.spf")
    reason = Reason(RECORD, check=check, todo=todo, found=found, reply="550 5.7.27 <i>SPF</i> did not pass")
    with db.write() as connection:
        resting.begin(connection, sender, 3600, reason, tried_at=0, lane="gmail")
    assert "Gmail: a DNS record of your domain is missing or wrong" in await visitor.read("/")
    text = await visitor.read("/campaigns/1")
    assert "Gmail: a DNS record of your domain is missing or wrong" in text
    assert "Publish a TXT record at club.net: v=spf1 include:_spf.google.com ~all." in text
    assert "club.net has no SPF record. All other receivers continue." in text
    assert "550 5.7.27 &lt;i&gt;SPF&lt;/i&gt; did not pass" in text
    assert "On hold until the record is published." in text
