"""From an empty form to a draft that is sent: what is asked and refused, and that nothing typed is lost."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from mailing.campaigns import drafts
from mailing.campaigns import queries as campaigns
from mailing.core.states import CampaignState
from mailing.core.tables import recipients
from tests.support.web import DRAFT, campaign_in, store

MESSY = (Path(__file__).resolve().parents[2] / "lists" / "pasted-messy.txt").read_text()


def form(**changed):
    return {
        "from": "Ann <ann@example.org>",
        "subject": "Hi",
        "text": "Dear {{ name }}",
        "recipients": "a@b.example",
    } | {name.rstrip("_"): value for name, value in changed.items()}


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
    assert campaign_in(db, 1).state is CampaignState.SENDING
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
    assert (campaign_in(db, 1).subject, campaign_in(db, 1).total) == ("New", 2)
    await visitor.read("/campaigns/1/edit")
    await visitor.post("/campaigns/1", form(recipients="x@y.example"))
    assert campaign_in(db, 1).total == 1


async def test_a_running_campaign_can_no_longer_be_changed(visitor, db):
    store(db, "a@b.example", send=True)
    await visitor.read("/campaigns/1/edit", 409)
    await visitor.read("/campaigns/1")
    assert (await visitor.post("/campaigns/1", form(subject="New", revision="0"))).status_code == 409
    assert campaign_in(db, 1).subject == DRAFT.subject


async def test_the_hours_until_it_is_given_up_are_asked_kept_and_shown(visitor, db):
    text = await visitor.read("/campaigns/new")
    assert 'name="give_up_hours" type="number" min="1" max="168" required value="24"' in text
    refused = await visitor.post("/campaigns", form(give_up_hours="200"))
    assert refused.status_code == 422
    assert "from 1 to 168" in (await refused.get_data()).decode()
    await visitor.post("/campaigns", form(give_up_hours="6"))
    assert campaign_in(db, 1).give_up_after == 6 * 3600
    assert 'required value="6"' in await visitor.read("/campaigns/1/edit")
    await visitor.post("/campaigns/1/send")
    assert "<dt>Retries for up to</dt><dd>6 h</dd>" in await visitor.read("/campaigns/1")


async def test_a_first_visit_offers_a_demo_whose_form_stores_50_recipients(visitor, db):
    assert 'href="/campaigns/new?demo=1"' in await visitor.read("/")
    text = await visitor.read("/campaigns/new?demo=1")
    pasted = html.unescape(re.search(r'<textarea id="recipients"[^>]*>(.*?)</textarea>', text, re.DOTALL)[1])
    assert {f"+{trick}" for trick in ("bounce", "full", "later", "slow", "drop")} <= set(
        re.findall(r"[+][a-z]+", pasted)
    )
    await visitor.post("/campaigns", form(recipients=pasted))
    assert campaign_in(db, 1).total == 50


@pytest.mark.parametrize(("total", "typed"), [(10_000, False), (10_001, True)])
async def test_a_large_number_of_emails_is_typed_before_they_are_sent(visitor, db, total, typed):
    store(db, "\n".join(f"p{n}@x.example" for n in range(total)))
    text = await visitor.read("/campaigns/1")
    assert ('pattern="10[,. ]?001"' in text) is typed


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
