"""A campaign's page as a visitor without scripts meets it: what it shows, what it offers, what it keeps."""

from __future__ import annotations

import csv
import io

import pytest

from mailing.campaigns import lifecycle
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignAction, CampaignState
from mailing.ledger import claims, evidence, leases, rests, results
from mailing.senders import store as senders
from mailing.smtp import rulebook
from mailing.smtp.account import Sender
from mailing.smtp.replies import Stage, reply_from
from tests.support.web import HOST, campaign_in, deliver, running, settings_for, store


async def test_pausing_and_cancelling_offer_only_what_the_state_allows(visitor, db):
    store(db, "a@b.example c@d.example", send=True)
    text = await visitor.read("/campaigns/1")
    assert 'action="/campaigns/1/pause"' in text
    assert 'action="/campaigns/1/resume"' not in text
    await visitor.post("/campaigns/1/pause")
    text = await visitor.read("/campaigns/1")
    assert 'action="/campaigns/1/resume"' in text
    assert "Cancel the remaining 2\N{NO-BREAK SPACE}emails?" in text
    await visitor.post("/campaigns/1/cancel")
    text = await visitor.read("/campaigns/1")
    for verb in ("pause", "resume", "cancel", "retry"):
        assert f'action="/campaigns/1/{verb}"' not in text
    assert campaign_in(db, 1).state is CampaignState.CANCELED
    again = await visitor.post("/campaigns/1/pause")
    assert again.status_code == 409
    assert "is canceled" in (await again.get_data()).decode()


UNKNOWN = (AttemptResult.UNKNOWN, None, "", "The connection was lost after the message.")
GONE = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user")
REFUSED = (AttemptResult.FAILED, 554, "5.7.1", "554 5.7.1 not from you")


async def test_what_failed_or_is_unknown_offers_a_way_on_and_nothing_else_does(visitor, db):
    store(db, "ann@b.example bob@b.example cat@b.example dan@b.example", send=True)
    text = await visitor.read("/campaigns/1")
    assert "confirm-retry" not in text
    assert 'name="recipient"' not in text
    deliver(db, REFUSED, REFUSED, UNKNOWN)
    text = await visitor.read("/campaigns/1")
    assert "confirm-retry" not in text, "while it is being sent nobody has to decide"
    assert 'name="recipient"' not in text
    for state, words in (("failed", "2 failed"), ("unknown", "1 unknown")):
        assert f'href="/campaigns/1?state={state}#list">{words}</a>' in text
    text = await visitor.read("/campaigns/1?state=failed")
    assert ">Retry 2 failed…</button>" in text
    assert "Retry 2\N{NO-BREAK SPACE}emails?" in text
    assert text.count('name="recipient"') == 2
    text = await visitor.read("/campaigns/1?state=unknown")
    assert ">Resend 1 unknown…</button>" in text
    assert ">Mark 1 unknown as sent…</button>" in text
    assert "deferred now…" not in text
    assert text.count('name="recipient"') == 1, "it is marked at once, but resent only after a question"
    assert '/campaigns/1/recipients/3#decide">' in text
    answer = await visitor.post("/campaigns/1/retry", {"state": "failed"})
    assert (answer.status_code, answer.location) == (303, "/campaigns/1")
    assert campaign_in(db, 1).counts["queued"] == 3
    await visitor.post("/campaigns/1/mark-unknown-sent", {"state": "unknown"})
    text = await visitor.read("/campaigns/1")
    assert "confirm-retry" not in text
    assert "Marked as sent manually." in text
    log = await visitor.read("/history")
    assert "manually" in log
    assert "The connection was lost after the message." in log
    assert ",None," not in (await (await visitor.get("/history.csv")).get_data()).decode()


async def test_those_whose_mailbox_does_not_exist_are_never_retried_together(visitor, db):
    store(db, "ann@b.example bob@b.example cat@b.example", send=True)
    gone, *_ = deliver(db, GONE, GONE, REFUSED)
    text = await visitor.read("/campaigns/1?state=failed")
    assert ">Retry 1 failed…</button>" in text
    assert "exist are left out" in text
    assert "confirm-retry" not in await visitor.read("/campaigns/1?reply=550-5.1.1")
    await visitor.post("/campaigns/1/retry", {"state": "failed"})
    assert campaign_in(db, 1).counts["failed"] == 2
    await visitor.post("/campaigns/1/retry", {"recipient": str(gone)})
    assert campaign_in(db, 1).counts["failed"] == 1, "one alone can be"


async def test_a_search_offers_its_own_finds_and_one_row_can_be_chosen(visitor, db):
    store(db, "ann@b.example bob@b.example", send=True)
    _, bob = deliver(db, REFUSED, REFUSED)
    with db.write() as connection:
        lifecycle.finish(connection, 1)
    page = "/campaigns/1?state=failed&q=bob"
    text = await visitor.read(page)
    assert ">Retry 1 failed (matching “bob”)…</button>" in text
    assert 'id="confirm-retry-failed-found"' in text
    came_from = {"headers": {"Referer": f"http://{HOST}{page}"}}
    answer = await visitor.post("/campaigns/1/retry", {"state": "failed", "q": "bob"}, **came_from)
    assert answer.location == page
    assert (campaign_in(db, 1).state, campaign_in(db, 1).counts["failed"]) == (CampaignState.SENDING, 1)
    again = await visitor.post("/campaigns/1/retry", {"recipient": str(bob)})
    assert (again.status_code, campaign_in(db, 1).counts["failed"]) == (303, 1)
    elsewhere = {"headers": {"Referer": f"http://evil.example{page}"}}
    answer = await visitor.post("/campaigns/1/retry", {"recipient": str(bob - 1)}, **elsewhere)
    assert answer.location == "/campaigns/1"
    assert campaign_in(db, 1).counts["queued"] == 2


async def test_those_who_got_one_reply_are_retried_without_the_others(visitor, db):
    store(db, "ann@b.example bob@b.example cat@b.example", send=True)
    deliver(db, REFUSED, (AttemptResult.FAILED, 552, "5.2.2", "552 5.2.2 quota"), REFUSED)
    text = await visitor.read("/campaigns/1?reply=552-5.2.2")
    assert ">Retry 1 failed (552 5.2.2)…</button>" in text
    assert '<input type="hidden" name="reply" value="552-5.2.2">' in text
    await visitor.post("/campaigns/1/retry", {"state": "failed", "reply": "552-5.2.2"})
    assert (campaign_in(db, 1).counts["failed"], campaign_in(db, 1).counts["queued"]) == (2, 1)
    assert "Retry" not in (await visitor.read("/campaigns/1?reply=552-5.2.2")).partition('id="list"')[2]


async def test_the_page_of_a_campaign_that_a_refusal_paused_offers_to_go_on_without_those_it_is_about(
    visitor, db
):
    store(db, "ann@b.example bob@b.example cat@b.example", send=True)
    with db.write() as connection:
        me = leases.register(connection, "here:1")
        claimed = claims.claim(connection, me, 1, after=0, last=10**9, limit=2)
    unsigned = (550, "5.7.26", "550 5.7.26 <b>unauthenticated</b>", now_ms() + 60_000)
    ruling = rulebook.rule(Stage.DOT, reply_from(550, "5.7.26 unauthenticated"))
    refused = [
        results.Result(it, AttemptResult.DEFERRED, "mx:25", 1, 2, *unsigned, ruling=ruling) for it in claimed
    ]
    with db.write() as connection:
        results.settle(connection, refused)
        for result in refused:
            evidence.keep(connection, result, ruling)
        lifecycle.pause(connection, 1, "2 recipients were refused for a reason that is not theirs.")
    notices = (await visitor.read("/campaigns/1")).partition('id="notices"')[2].partition('id="ledger"')[0]
    assert ">Exclude these 2…</button>" in notices
    assert ">Mark these 2 as failed…</button>" in notices
    assert '<input type="hidden" name="reply" value="550-5.7.26">' in notices
    await visitor.post("/campaigns/1/skip", {"state": "", "reply": "550-5.7.26"})
    assert campaign_in(db, 1).counts["canceled"] == 2
    assert campaign_in(db, 1).counts["queued"] == 1


async def test_the_page_of_a_campaign_whose_sender_waits_says_why_and_when_it_goes_on(visitor, db):
    store(db, "ann@b.example", send=True)
    with db.write() as connection:
        senders.keep_default(connection, Sender("mx", 25))
        rests.begin(connection, "mx:25", 600, "550 5.4.5 <b>Daily</b> limit", tried_at=0)
    text = await visitor.read("/campaigns/1")
    assert "The sender is waiting" in text
    assert "550 5.4.5 &lt;b&gt;Daily&lt;/b&gt; limit" in text
    assert 'Sending resumes at <time datetime="20' in text
    assert "The sender is waiting" in await visitor.read("/")


async def test_one_recipient_can_be_skipped_or_failed_on_its_page_but_not_in_the_list(visitor, db):
    store(db, "ann@b.example bob@b.example", send=True)
    ann, bob = deliver(db, (AttemptResult.RETURNED, 554, "5.7.1", "554 no"), REFUSED)
    assert "/campaigns/1/skip" not in (await visitor.read("/campaigns/1")).partition('id="list"')[2]
    page = await visitor.read(f"/campaigns/1/recipients/{ann}")
    assert "/campaigns/1/skip" in page
    assert "/campaigns/1/skip" not in await visitor.read(f"/campaigns/1/recipients/{bob}")
    await visitor.post("/campaigns/1/fail", {"recipient": str(ann)})
    assert campaign_in(db, 1).counts["failed"] == 2


@pytest.mark.parametrize(
    "junk", [{"state": "x"}, {"recipient": "-1"}, {"recipient": "9" * 30}, {"state": "failed", "reply": "x"}]
)
async def test_a_form_that_no_page_holds_changes_nothing(visitor, db, junk):
    store(db, "ann@b.example", send=True)
    deliver(db, REFUSED)
    await visitor.read("/campaigns/1")
    assert (await visitor.post("/campaigns/1/retry", junk)).status_code == 400
    assert campaign_in(db, 1).counts["failed"] == 1


async def test_a_canceled_campaign_offers_no_retry(visitor, db):
    store(db, "ann@b.example bob@b.example", send=True)
    deliver(db, REFUSED, UNKNOWN)
    await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1/cancel")
    text = await visitor.read("/campaigns/1")
    assert "/campaigns/1/retry" not in text
    assert "/campaigns/1/resend-unknown" not in text
    assert "/campaigns/1/mark-unknown-sent" in text
    refused = await visitor.post("/campaigns/1/retry")
    assert refused.status_code == 409
    assert "is canceled" in (await refused.get_data()).decode()


@pytest.mark.parametrize(
    ("verb", "words", "then"), [("pause", "Pausing", "Paused"), ("cancel", "Canceling", "Canceled")]
)
async def test_a_stopped_campaign_tells_what_is_in_flight_until_it_is_recorded(
    visitor, db, verb, words, then
):
    store(db, "ann@b.example bob@b.example", send=True)
    with db.write() as connection:
        worker = leases.register(connection, "here:1")
        claimed = claims.claim(connection, worker, 1, after=0, last=10**9, limit=1)
    await visitor.read("/campaigns/1")
    await visitor.post(f"/campaigns/1/{verb}")
    assert f"{words}, 1 in progress</span>" in await visitor.read("/campaigns/1")
    with db.write() as connection:
        claims.release(connection, claimed)
    text = await visitor.read("/campaigns/1")
    assert "in flight" not in text
    assert f"</svg>{then}</span>" in text


async def test_the_page_shows_all_eight_states_their_sum_and_every_reply(visitor, db):
    store(db, "ann@b.example bob@b.example cat@b.example", send=True)
    deliver(
        db,
        (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 Queued as <1>"),
        (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such <user>"),
    )
    text = await visitor.read("/campaigns/1")
    for state in ("Queued", "Sending", "Deferred", "Sent", "Failed", "Unknown", "Suppressed", "Canceled"):
        assert f"</svg>{state}</span>" in text
    assert "all accounted for" in text
    assert "<b>2</b> of 3" in text
    assert "This mailbox doesn&#39;t exist" in text
    assert "550 5.1.1 no such &lt;user&gt;" in text
    assert "here:1" in text
    failed = await visitor.read("/campaigns/1?state=failed")
    assert '/recipients/2?state=failed">bob<wbr>@b.example</a>' in failed
    assert "ann<wbr>@b.example</a>" not in failed
    found = await visitor.read("/campaigns/1?q=CAT")
    assert '/recipients/3">cat<wbr>@b.example</a>' in found
    assert "No matching addresses" in await visitor.read("/campaigns/1?q=zzz")
    assert "No canceled recipients" in await visitor.read("/campaigns/1?state=canceled")


async def test_a_long_list_is_paged_by_key(visitor, db):
    store(db, "\n".join(f"p{n:03}@b.example" for n in range(70)), send=True)
    first = await visitor.read("/campaigns/1?sort=list")
    assert "p024@b" in first
    assert "p025@b" not in first
    second = await visitor.read("/campaigns/1?sort=list&after=25")
    assert "p025@b" in second
    assert 'href="/campaigns/1?sort=list&amp;after=50#recipients"' in second
    assert 'rel="next"' not in await visitor.read("/campaigns/1?sort=list&after=50")


async def test_the_log_is_searched_and_taken_away(visitor, db):
    store(db, "=cmd@b.example +bob@b.example", send=True)
    deliver(
        db,
        (AttemptResult.SENT, 250, "", "250 ok"),
        (AttemptResult.FAILED, 550, "5.1.1", "550-5.1.1 no\n550 5.1.1 really, no"),
    )
    text = await visitor.read("/history?state=failed")
    assert "+bob<wbr>@b.example" in text
    assert "=cmd<wbr>@b.example" not in text
    assert "No match" in await visitor.read("/history?q=nobody")
    rows = list(csv.reader(io.StringIO(await visitor.read("/history.csv"))))
    assert [row[2] for row in rows[1:]] == ["'=cmd@b.example", "'+bob@b.example"]
    assert rows[2][7] == "550-5.1.1 no\n550 5.1.1 really, no"
    rows = list(csv.reader(io.StringIO(await visitor.read("/campaigns/1/recipients.csv?state=sent"))))
    assert [row[0] for row in rows[1:]] == ["'=cmd@b.example"]


async def test_the_demo_inbox_says_what_arrives_there(visitor, tmp_path, database_url):
    assert "nothing was delivered" in await visitor.read("/inbox")
    real = {"VOLLEY_SMTP_URL": "smtp://mail.example.org"}
    async with running(settings_for(tmp_path, database_url, **real)) as other:
        assert "/inbox" not in await other.read("/")
        text = await other.read("/inbox")
        assert "Only what is rehearsed arrives here" in text
        assert "mail.example.org" in text
    elsewhere = settings_for(tmp_path, database_url, **real, VOLLEY_DEMO_INBOX="rehearsals:1025")
    async with running(elsewhere) as other:
        assert "rehearsals:1025" in await other.read("/inbox", 404)


async def test_a_campaign_that_volley_paused_says_why(visitor, db):
    store(db, "a@b.example", send=True)
    with db.write() as connection:
        lifecycle.pause(connection, 1, "535 5.7.8 bad password")
    text = await visitor.read("/campaigns/1")
    assert "Volley paused this campaign" in text
    assert "535 5.7.8 bad password" in text
    with db.write() as connection:
        lifecycle.act(connection, 1, CampaignAction.CANCEL)
    assert "Volley paused" not in await visitor.read("/campaigns/1")
