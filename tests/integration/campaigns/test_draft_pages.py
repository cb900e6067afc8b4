"""The check page repairs and proves: skipped lines, accepted addresses, and each recipient's preview."""

from __future__ import annotations

import csv
import io
import re
from urllib.parse import quote

import pytest

from mailing.addresses.parsing import parse_pasted
from mailing.campaigns import drafts, lifecycle
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.core.states import AttemptResult, CampaignState
from mailing.core.tables import paces
from tests.support.web import deliver, running, settings_for, store

FORM = {"from": "Ann <ann@example.org>", "subject": "Hi", "text": "Dear {{ name }}"}


def get(db, campaign_id=1):
    with db.read() as connection:
        return campaigns.get(connection, campaign_id)


async def text_of(response):
    return (await response.get_data()).decode()


def box(page):
    """What the box holds in which skipped lines are fixed."""
    return re.search(r'<textarea id="lines"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)[1].split("\n")


def previewed(page):
    return re.search(r"<dt>To</dt><dd>([^<]*)</dd>", page)[1]


async def test_skipped_lines_are_fixed_where_they_are_shown_and_the_next_page_tells_what_became_of_them(
    visitor, db
):
    store(db, "ann@x.example\nmia at six.example\nnobody\nben at x.example")
    page = await visitor.read("/campaigns/1")
    assert box(page) == ["mia at six.example", "nobody", "ben at x.example"]
    assert page.count("Send to 1\N{NO-BREAK SPACE}person…") == 2, "above, and again at the end"
    answer = await visitor.post(
        "/campaigns/1/skipped", {"lines": "mia@six.example\r\nnobody\r\nann@x.example"}
    )
    assert (answer.status_code, answer.location) == (303, "/campaigns/1#skipped")
    page = await visitor.read("/campaigns/1")
    assert "1\N{NO-BREAK SPACE}address added. 1\N{NO-BREAK SPACE}duplicate merged." in page
    assert box(page) == ["nobody"]
    assert "already in the list" in page
    assert (get(db).total, get(db).revision) == (2, 1)


async def test_who_fixes_a_list_that_another_has_just_changed_is_told_and_loses_nothing(visitor, db):
    store(db, "ann@x.example\nnobody")
    await visitor.read("/campaigns/1")
    drafts.revise(db, 1, Draft("ann@x.example", "New", "x"), parse_pasted("ben@x.example\nno one"))
    late = await visitor.post("/campaigns/1/skipped", {"lines": "cy@x.example"})
    page = await text_of(late)
    assert late.status_code == 409
    assert "Not saved" in page
    assert box(page) == ["cy@x.example"]
    assert get(db).total == 1
    visitor.hidden = {"revision": re.search(r'name="revision" value="(\d+)"', page)[1]}
    assert (await visitor.post("/campaigns/1/skipped", {"lines": "cy@x.example"})).status_code == 303
    assert get(db).total == 2
    late = await visitor.post("/campaigns/1", {**FORM, "recipients": "dan@x.example", "list": "add"})
    page = await text_of(late)
    assert (late.status_code, get(db).total) == (409, 2)
    assert "dan@x.example" in page


@pytest.mark.parametrize("revision", ["", "x", "-1", "9" * 30])
async def test_a_form_without_the_revision_of_its_page_changes_nothing(visitor, db, revision):
    store(db, "ann@x.example\nnobody")
    await visitor.read("/campaigns/1")
    for path in ("/campaigns/1/skipped", "/campaigns/1/fallback", "/campaigns/1"):
        form = {**FORM, "lines": "ben@x.example", "field": "name", "text": "you", "revision": revision}
        assert (await visitor.post(path, form)).status_code == 400
    assert (get(db).total, get(db).revision) == (1, 0)


async def test_a_campaign_that_was_sent_can_no_longer_be_fixed(visitor, db):
    store(db, "ann@x.example\nnobody")
    await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1/send")
    for path in ("/campaigns/1/skipped", "/campaigns/1/fallback"):
        form = {"lines": "ben@x.example", "field": "name", "text": "you"}
        assert (await visitor.post(path, form)).status_code == 409
    assert get(db).state is CampaignState.SENDING
    assert (await visitor.get("/campaigns/9/skipped.csv")).status_code == 404


async def test_what_was_fixed_is_kept_where_the_session_has_ended(visitor, db):
    store(db, "ann@x.example\nnobody")
    await visitor.read("/campaigns/1")
    visitor.client.cookie_jar.clear()
    answer = await visitor.post("/campaigns/1/skipped", {"lines": "ben@x.example"})
    page = await text_of(answer)
    assert (answer.status_code, box(page)) == (403, ["ben@x.example"])


async def test_all_skipped_lines_are_taken_away_in_the_reader_s_language(visitor, db):
    store(db, "ann@x.example\n=1+1\n" + "\n".join(f"nonsense{n}" for n in range(2_500)))
    page = await visitor.read("/campaigns/1")
    assert len(box(page)) == 200
    assert "These are the first 200 of 2,501." in page
    for language, head in (("en", ["Line", "Text", "Reason"]), ("vi", ["Dòng", "Văn bản", "Lý do"])):
        visitor.client.set_cookie("127.0.0.1", "language", language)
        answer = await visitor.get("/campaigns/1/skipped.csv")
        data = await answer.get_data()
        assert data.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
        assert (len(rows), rows[0], rows[1][:2]) == (2_502, head, ["2", "'=1+1"])
        assert ("Missing" in rows[1][2]) == (language == "en")


async def test_a_line_that_is_not_kept_whole_is_not_offered_to_be_fixed_and_the_page_says_so(visitor, db):
    store(db, "ann@x.example\n" + "x" * 500 + "\nnobody")
    page = await visitor.read("/campaigns/1")
    assert box(page) == ["nobody"]
    assert "too long to be fixed here" in page


async def test_addresses_are_added_beside_those_of_the_draft_or_replace_them(visitor, db):
    store(db, "ann@x.example\nnobody")
    page = await visitor.read("/campaigns/1/edit")
    assert "This draft has 1\N{NO-BREAK SPACE}address." in page
    assert "Fix 1\N{NO-BREAK SPACE}skipped line" in page
    await visitor.post("/campaigns/1", {**FORM, "recipients": "ben@x.example, ann@x.example", "list": "add"})
    assert (get(db).total, get(db).subject) == (2, "Hi")
    assert "1\N{NO-BREAK SPACE}address added. 1\N{NO-BREAK SPACE}duplicate merged." in await visitor.read(
        "/campaigns/1"
    )
    await visitor.post("/campaigns/1", {**FORM, "recipients": "cy@x.example", "list": "replace"})
    assert get(db).total == 1


async def test_accepted_addresses_are_counted_by_domain_searched_and_paged(visitor, db):
    many = [f"p{n:03}@big.example" for n in range(60)] + [f"a@d{n:02}.example" for n in range(20)]
    store(db, "\n".join([*many, "jan@bücher.example"]))
    page = await visitor.read("/campaigns/1")
    assert re.search(r"q=%40big\.example#accepted\"><span>big\.example</span> <b>60</b>", page)
    assert "and 10\N{NO-BREAK SPACE}more domains" in page
    assert "p024<wbr>@big" in page
    assert "p025<wbr>@big" not in page
    second = await visitor.read(re.search(r'href="([^"#]+)#accepted" rel="next"', page)[1])
    assert "p025<wbr>@big" in second
    assert "p024<wbr>@big" in await visitor.read(
        re.search(r'href="([^"#]+)#accepted" rel="prev"', second)[1].replace("&amp;", "&")
    )
    found = await visitor.read("/campaigns/1?q=P05")
    assert found.count("<wbr>@big.example</a>") == 10
    assert "a<wbr>@d07.example" in await visitor.read("/campaigns/1?q=@d07.example")
    assert "No address in the list starts with “zzz”." in await visitor.read("/campaigns/1?q=zzz")
    for asked in ("jan", "@bücher.example", "jan@BÜCHER.example"):
        unicode = await visitor.read(f"/campaigns/1?q={quote(asked)}")
        assert 'jan<wbr>@<span title="xn--bcher-kva.example">bücher.example</span>' in unicode


async def test_any_recipient_is_previewed_as_they_get_it(visitor, db):
    pasted = "Name,Email,City\nAnn,ann@x.example,Hue\n,ben@x.example,Vinh\nCy,cy@x.example,\n"
    draft = Draft("a@b.example", "Hi {{ name }}", "In {{ city }}", "<p>In {{ city }}")
    store(db, pasted, draft)
    page = await visitor.read("/campaigns/1")
    assert previewed(page) == "Ann &lt;ann@x.example&gt;"
    assert "/recipients/1/html" in page
    page = await visitor.read(re.search(r'href="([^"#]+)#preview" rel="next"', page)[1])
    assert previewed(page) == "ben@x.example"
    page = await visitor.read(re.search(r'href="([^"#]+)#preview" rel="prev"', page)[1])
    assert previewed(page) == "Ann &lt;ann@x.example&gt;"
    assert "1\N{NO-BREAK SPACE}recipient has no name" in page
    assert previewed(await visitor.read("/campaigns/1?gap=name")) == "ben@x.example"
    assert previewed(await visitor.read("/campaigns/1?gap=city")) == "Cy &lt;cy@x.example&gt;"
    assert previewed(await visitor.read("/campaigns/1?gap=odd&to=3")) == "Cy &lt;cy@x.example&gt;"
    assert previewed(await visitor.read("/campaigns/1?to=77")) == "Ann &lt;ann@x.example&gt;"


async def test_a_fallback_is_written_into_the_message_with_one_click(visitor, db):
    store(db, "Ann <ann@x.example>\nben@x.example", Draft("a@b.example", "Hi {{ name }}", "Dear {{ name }}"))
    page = await visitor.read("/campaigns/1?gap=name")
    assert 'name="text" required maxlength="100" autocomplete="off" value="friend"' in page
    answer = await visitor.post("/campaigns/1/fallback", {"field": "name", "text": "friend"})
    assert answer.status_code == 303
    assert (get(db).subject, get(db).text) == ('Hi {{ name or "friend" }}', 'Dear {{ name or "friend" }}')
    page = await visitor.read("/campaigns/1?to=2")
    assert "Hi friend" in page
    assert "has no name" not in page
    again = await visitor.post("/campaigns/1/fallback", {"field": "name", "text": "friend", "revision": "0"})
    assert again.status_code == 409
    empty = await visitor.post("/campaigns/1/fallback", {"field": "name", "text": "  "})
    assert empty.status_code == 422


async def test_all_faults_of_a_form_are_told_at_once_and_in_our_own_words(visitor, db):
    await visitor.read("/campaigns/new")
    form = {"from": "nonsense", "subject": "Hi {{ name", "text": "{{ a b }} {{ }}", "recipients": "  "}
    page = await text_of(await visitor.post("/campaigns", form))
    for field in ("from", "subject", "text", "recipients"):
        assert f'id="{field}-fault"' in page
    assert "Expected" not in page
    assert "end of statement" not in page


@pytest.mark.parametrize(
    ("server", "warned"), [("smtp://127.0.0.1:1025", False), ("smtp://mx.example", True)]
)
async def test_a_from_address_on_localhost_is_warned_of_unless_nothing_leaves_this_machine(
    db, tmp_path, database_url, server, warned
):
    store(db, "ann@x.example", Draft("Volley <volley@localhost>", "Hi", "x"))
    async with running(settings_for(tmp_path, database_url, VOLLEY_SMTP_URL=server)) as visitor:
        assert ("reject email from localhost" in await visitor.read("/campaigns/new")) == warned
        assert ("reject email from localhost" in await visitor.read("/campaigns/1")) == warned


async def test_how_long_sending_takes_is_told_only_by_what_the_last_campaign_took_at_the_same_server(
    db, tmp_path, database_url
):
    store(db, "ann@x.example ben@x.example cy@x.example dan@x.example eve@x.example", send=True)
    deliver(db, *[(AttemptResult.SENT, 250, "", "250 ok")] * 5)
    with db.write() as connection:
        lifecycle.finish(connection, 1)
        connection.execute(paces.delete())
        rows = [{"campaign_id": 1, "slot": 5 * n, "result": "sent", "shard": 0, "n": 10} for n in range(9)]
        connection.execute(paces.insert(), rows)
    store(db, "\n".join(f"p{n}@x.example" for n in range(24)))
    for server, told in (("smtp://mx:25", True), ("smtp://other:25", False)):
        async with running(settings_for(tmp_path, database_url, VOLLEY_SMTP_URL=server)) as visitor:
            page = await visitor.read("/campaigns/2")
        assert (
            "Sending takes about 12\N{NO-BREAK SPACE}s, at the rate of the last campaign (120/min)." in page
        ) == told


async def test_what_is_sent_is_what_its_sender_has_seen(visitor, db):
    store(db, "ann@x.example")
    await visitor.read("/campaigns/1")
    drafts.revise(db, 1, Draft("ann@x.example", "New", "x"), parse_pasted("ben@x.example"))
    late = await visitor.post("/campaigns/1/send")
    assert (late.status_code, get(db).state) == (409, CampaignState.DRAFT)
    assert "changed" in await text_of(late)
    await visitor.read("/campaigns/1")
    assert (await visitor.post("/campaigns/1/send")).status_code == 303
