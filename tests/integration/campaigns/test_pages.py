"""Every page as a visitor without scripts meets it: what it shows, what it refuses, what it keeps."""

from __future__ import annotations

import csv
import html
import io
import re
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from mailing.campaigns import drafts, lifecycle
from mailing.campaigns import queries as campaigns
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignAction, CampaignState
from mailing.core.tables import recipients
from mailing.ledger import claims, evidence, leases, rests, results
from mailing.smtp import rulebook
from mailing.smtp.replies import Stage, reply_from
from tests.support.web import DRAFT, HOST, deliver, running, settings_for, store

MESSY = (Path(__file__).resolve().parents[2] / "lists" / "pasted-messy.txt").read_text()


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


def form(**changed):
    return {
        "from": "Ann <ann@example.org>",
        "subject": "Hi",
        "text": "Dear {{ name }}",
        "recipients": "a@b.example",
    } | {name.rstrip("_"): value for name, value in changed.items()}


def get(db, campaign_id):
    with db.read() as connection:
        return campaigns.get(connection, campaign_id)


async def test_the_first_visit_says_what_to_do(visitor):
    text = await visitor.read("/")
    assert "Send your first campaign" in text
    assert "demo inbox" in text


async def test_a_list_is_pasted_checked_and_sent_without_scripts(visitor, db):
    await visitor.read("/campaigns/new")
    stored = await visitor.post("/campaigns", form(recipients=MESSY))
    assert stored.status_code == 303
    draft = await visitor.read(stored.location)
    assert "Send to 20\N{NO-BREAK SPACE}people…" in draft
    assert 'commandfor="confirm-send"' in draft
    assert "mia at six.example" in draft
    assert '<td class="num">13</td>' in draft
    assert "18\N{NO-BREAK SPACE}recipients have no name" in draft
    sent = await visitor.post(f"{stored.location}/send")
    assert (sent.status_code, sent.location) == (303, stored.location)
    page = await visitor.read(sent.location)
    assert get(db, 1).state is CampaignState.SENDING
    assert "No worker is running" in page
    assert "anna@one.example" in page


async def test_a_table_s_columns_are_shown_and_what_is_unusual_is_remarked(visitor, db):
    await visitor.read("/campaigns/new")
    table = (
        'Họ tên\tEmail\tThành phố\nÁnh\ta@x.example\tHuế\nBưởi\t"b..c"@x.example\tVinh\nÁnh Lê\ta@x.example\t'
    )
    stored = await visitor.post("/campaigns", form(recipients=table, text="{{ name }} in {{ thanh_pho }}"))
    draft = await visitor.read(stored.location)
    assert "Send to 2\N{NO-BREAK SPACE}people…" in draft
    for column, field in (("Họ tên", "name"), ("Email", "email"), ("Thành phố", "thanh_pho")):
        assert re.search(rf"<td>{column}</td><td>[^/]*<code>{{{{ {field} }}}}</code>", draft)
    assert "unusual dots before the &#34;@&#34;; kept" in draft
    assert "same as line 2" in draft
    with db.read() as connection:
        rows = connection.execute(recipients.select().order_by(recipients.c.id)).all()
    assert [(row.email, row.name, row.fields) for row in rows] == [
        ("a@x.example", "Ánh", {"thanh_pho": "Huế"}),
        ("b..c@x.example", "Bưởi", {"thanh_pho": "Vinh"}),
    ]


async def test_every_fault_of_a_form_is_named_and_nothing_typed_is_lost(visitor, db):
    await visitor.read("/campaigns/new")
    response = await visitor.post(
        "/campaigns", form(from_="nonsense", subject=" ", text="Dear {{ name", recipients="  ")
    )
    text = (await response.get_data()).decode()
    assert response.status_code == 422
    assert "Enter a subject." in text
    assert "Add at least one recipient." in text
    assert 'aria-invalid="true" aria-describedby="from-fault' in text or "text-fault" in text
    assert 'value="nonsense"' in text
    assert "Dear {{ name" in text
    with db.read() as connection:
        assert not campaigns.latest(connection)


@pytest.mark.parametrize("subject", ["one\r\nBcc: x@y.example", "one\ntwo"])
async def test_a_subject_with_a_line_break_is_refused(visitor, subject):
    await visitor.read("/campaigns/new")
    response = await visitor.post("/campaigns", form(subject=subject))
    assert response.status_code == 422
    assert "line break" in (await response.get_data()).decode()


async def test_a_list_of_refused_lines_only_cannot_be_sent(visitor):
    await visitor.read("/campaigns/new")
    stored = await visitor.post("/campaigns", form(recipients="nobody\nno one"))
    text = await visitor.read(stored.location)
    assert "Not ready to send" in text
    assert 'commandfor="confirm-send"' not in text
    refused = await visitor.post(f"{stored.location}/send")
    assert refused.status_code == 409


async def test_an_unknown_merge_field_is_named_with_who_lacks_it(visitor, db):
    store(db, "a@b.example", drafts.Draft("a@b.example", "Hi", "{{ city }}"))
    text = await visitor.read("/campaigns/1")
    assert "{{ city }}" in text
    assert "Not ready to send" in text


async def test_more_than_two_hundred_refused_lines_are_counted(visitor, db):
    store(db, "a@b.example\n" + "\n".join(f"nonsense{n}" for n in range(205)))
    text = await visitor.read("/campaigns/1")
    assert "and 5 more" in text
    assert "nonsense199" in text
    assert "nonsense200" not in text


async def test_a_draft_is_changed_and_keeps_its_list_if_none_is_pasted(visitor, db):
    store(db, "a@b.example c@d.example")
    await visitor.read("/campaigns/1/edit")
    await visitor.post("/campaigns/1", form(subject="New", recipients=""))
    assert (get(db, 1).subject, get(db, 1).total) == ("New", 2)
    await visitor.read("/campaigns/1/edit")
    await visitor.post("/campaigns/1", form(recipients="x@y.example"))
    assert get(db, 1).total == 1


async def test_a_running_campaign_can_no_longer_be_changed(visitor, db):
    store(db, "a@b.example", send=True)
    await visitor.read("/campaigns/1/edit", 409)
    await visitor.read("/campaigns/1")
    assert (await visitor.post("/campaigns/1", form(subject="New", revision="0"))).status_code == 409
    assert get(db, 1).subject == DRAFT.subject


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
    assert get(db, 1).state is CampaignState.CANCELED
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
    assert get(db, 1).counts["queued"] == 3
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
    assert get(db, 1).counts["failed"] == 2
    await visitor.post("/campaigns/1/retry", {"recipient": str(gone)})
    assert get(db, 1).counts["failed"] == 1, "one alone can be"


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
    assert (get(db, 1).state, get(db, 1).counts["failed"]) == (CampaignState.SENDING, 1)
    again = await visitor.post("/campaigns/1/retry", {"recipient": str(bob)})
    assert (again.status_code, get(db, 1).counts["failed"]) == (303, 1)
    elsewhere = {"headers": {"Referer": f"http://evil.example{page}"}}
    answer = await visitor.post("/campaigns/1/retry", {"recipient": str(bob - 1)}, **elsewhere)
    assert answer.location == "/campaigns/1"
    assert get(db, 1).counts["queued"] == 2


async def test_those_who_got_one_reply_are_retried_without_the_others(visitor, db):
    store(db, "ann@b.example bob@b.example cat@b.example", send=True)
    deliver(db, REFUSED, (AttemptResult.FAILED, 552, "5.2.2", "552 5.2.2 quota"), REFUSED)
    text = await visitor.read("/campaigns/1?reply=552-5.2.2")
    assert ">Retry 1 failed (552 5.2.2)…</button>" in text
    assert '<input type="hidden" name="reply" value="552-5.2.2">' in text
    await visitor.post("/campaigns/1/retry", {"state": "failed", "reply": "552-5.2.2"})
    assert (get(db, 1).counts["failed"], get(db, 1).counts["queued"]) == (2, 1)
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
    assert get(db, 1).counts["canceled"] == 2
    assert get(db, 1).counts["queued"] == 1


async def test_the_page_of_a_campaign_whose_sender_waits_says_why_and_when_it_goes_on(visitor, db):
    store(db, "ann@b.example", send=True)
    with db.write() as connection:
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
    assert get(db, 1).counts["failed"] == 2


@pytest.mark.parametrize(
    "junk", [{"state": "x"}, {"recipient": "-1"}, {"recipient": "9" * 30}, {"state": "failed", "reply": "x"}]
)
async def test_a_form_that_no_page_holds_changes_nothing(visitor, db, junk):
    store(db, "ann@b.example", send=True)
    deliver(db, REFUSED)
    await visitor.read("/campaigns/1")
    assert (await visitor.post("/campaigns/1/retry", junk)).status_code == 400
    assert get(db, 1).counts["failed"] == 1


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


async def test_the_hours_until_it_is_given_up_are_asked_kept_and_shown(visitor, db):
    text = await visitor.read("/campaigns/new")
    assert 'name="give_up_hours" type="number" min="1" max="168" required value="24"' in text
    refused = await visitor.post("/campaigns", form(give_up_hours="200"))
    assert refused.status_code == 422
    assert "from 1 to 168" in (await refused.get_data()).decode()
    await visitor.post("/campaigns", form(give_up_hours="6"))
    assert get(db, 1).give_up_after == 6 * 3600
    assert 'required value="6"' in await visitor.read("/campaigns/1/edit")
    await visitor.post("/campaigns/1/send")
    assert "<dt>Retries for up to</dt><dd>6 h</dd>" in await visitor.read("/campaigns/1")


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


async def test_the_demo_inbox_is_there_only_while_mail_stays_here(visitor, tmp_path, database_url):
    assert "nothing was delivered" in await visitor.read("/inbox")
    elsewhere = settings_for(tmp_path, database_url, VOLLEY_SMTP_URL="smtp://mail.example.org")
    async with running(elsewhere) as other:
        assert "/inbox" not in await other.read("/")
        assert "mail.example.org" in await other.read("/inbox", 404)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "Page not found"),
        ("/campaigns/7", 404, "Campaign 7 doesn"),
        ("/campaigns/7/edit", 404, "Campaign 7 doesn"),
        ("/campaigns/7/recipients.csv", 404, "Campaign 7 doesn"),
        ("/campaigns/1/send", 405, "Method not allowed"),
        ("/inbox/7", 404, "has no message 7"),
        ("/history?state=odd", 422, "Choose a result from the list."),
        ("/campaigns?before=-1", 400, "must be a whole number"),
        ("/campaigns?before=99999999999999999999", 400, "must be a whole number"),
        ("/history?before=-1.5", 400, "must be a position in the log"),
        ("/history?after=1.99999999999999999999", 400, "must be a position in the log"),
        ("/history?size=7", 400, "must be one of 50, 100, 200"),
        ("/history?campaign=x", 422, "Choose a campaign from the list."),
        ("/history?from=yesterday", 422, "Enter a date and time"),
        ("/history?to=9999-12-31", 422, "Enter a date and time"),
        ("/history.csv?from=0001-01-01", 400, "Enter a date and time"),
        ("/campaigns/1/stream?rows=1.x", 400, "must be at most 200 numbers"),
    ],
)
async def test_an_address_that_leads_nowhere_says_so(visitor, path, status, words):
    assert words in await visitor.read(path, status)


async def test_a_first_visit_offers_a_demo_whose_form_stores_50_recipients(visitor, db):
    assert 'href="/campaigns/new?demo=1"' in await visitor.read("/")
    text = await visitor.read("/campaigns/new?demo=1")
    pasted = html.unescape(re.search(r'<textarea id="recipients"[^>]*>(.*?)</textarea>', text, re.DOTALL)[1])
    assert {f"+{trick}" for trick in ("bounce", "full", "later", "slow", "drop")} <= set(
        re.findall(r"[+][a-z]+", pasted)
    )
    await visitor.post("/campaigns", form(recipients=pasted))
    assert get(db, 1).total == 50


@pytest.mark.parametrize(("total", "typed"), [(10_000, False), (10_001, True)])
async def test_a_large_number_of_emails_is_typed_before_they_are_sent(visitor, db, total, typed):
    store(db, "\n".join(f"p{n}@x.example" for n in range(total)))
    text = await visitor.read("/campaigns/1")
    assert ('pattern="10[,. ]?001"' in text) is typed


@pytest.mark.parametrize(
    ("path", "status", "leads_to"),
    [
        ("/nowhere", 404, "/"),
        ("/campaigns/7", 404, "/campaigns"),
        ("/campaigns/1/send", 405, "/campaigns/1"),
        ("/history.csv?from=0001-01-01", 400, "/history"),
        ("/inbox/7", 404, "/inbox"),
    ],
)
async def test_an_error_says_what_happened_once_and_leads_to_where_one_was(visitor, path, status, leads_to):
    main = (await visitor.read(path, status)).partition("<main")[2].partition("</main>")[0]
    assert re.findall('href="([^"]*)"', main) == [leads_to]
    assert len(re.findall("<p>", main)) == 1


async def test_a_mistake_of_ours_is_admitted_without_its_details(visitor, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(campaigns, "latest", fail)
    text = await visitor.read("/campaigns", 500)
    assert "Something went wrong" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OperationalError("BEGIN", {}, Exception("gave up")), ": gave up."),
        (PoolTimeoutError(), "in use. Try again in a few seconds."),
    ],
)
async def test_a_database_that_gives_up_is_said_to_and_asks_to_try_again(visitor, monkeypatch, fault, words):
    def give_up(*_args, **_more):
        raise fault

    monkeypatch.setattr(campaigns, "latest", give_up)
    assert words in await visitor.read("/campaigns", 503)


async def test_a_request_that_is_too_large_is_refused_with_the_limit(visitor):
    await visitor.read("/campaigns/new")
    response = await visitor.post("/campaigns", form(recipients="x" * (21 * 1024 * 1024)))
    assert response.status_code == 413
    assert "20 MB" in (await response.get_data()).decode()


@pytest.mark.parametrize("pasted", ["x" * 5_000_000, "\0\x01\xff\x1b[2J" * 1000, "@" * 300_000])
async def test_junk_is_refused_line_by_line_and_never_breaks_the_page(visitor, pasted):
    await visitor.read("/campaigns/new")
    stored = await visitor.post("/campaigns", form(recipients=pasted))
    assert stored.status_code == 303
    assert "Skipped lines" in await visitor.read(stored.location)


async def test_what_people_wrote_is_never_run_as_html(visitor, db):
    store(
        db,
        '"<script>x</script>" <a@b.example>',
        drafts.Draft("a@b.example", "<b>{{ name }}</b>", "<i>{{ name }}"),
    )
    text = await visitor.read("/campaigns/1") + await visitor.read("/campaigns")
    assert "<script>x" not in text
    assert "<i>" not in text
    assert "&lt;b&gt;" in text


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
