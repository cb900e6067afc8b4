"""What reaches the recipients: files, unusual addresses, and no message that cannot be composed."""

from __future__ import annotations

import email
import email.policy
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from mailing import demo_inbox_file
from mailing.addresses.parsing import parse_pasted, parse_rows
from mailing.campaigns import drafts
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import act as act_on
from mailing.core.states import CampaignAction, CampaignState, RecipientState
from mailing.core.tables import attempts, campaigns, recipients
from mailing.ledger import batches
from mailing.library import files
from tasks.app import use
from tasks.sending import enqueue
from tests.support.sent import DRAFT, addresses
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack


def test_files_reach_each_recipient_as_they_were_brought(make_stack: Callable[..., Stack]) -> None:
    """An image within the HTML, and attachments, one of them longer than a block of the connection."""
    stack = make_stack(connections=2)
    stack.start("redis", "inbox", "worker", "beat")
    image, notes = b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"\n.\r\n..\n" * 12_000
    draft = Draft("Club <club@sender.example>", "Hi {{ name }}", "Hi", '<img src="cid:logo.png"> {{ name }}')
    with drafts.creating(stack.db, draft, parse_pasted("\n".join(addresses(3)))) as (connection, campaign_id):
        refs = [files.keep(connection, "../logo.png", image), files.keep(connection, "Ghi chú.txt", notes)]
        files.set_for(connection, campaign_id, refs)
    stack.act(campaign_id, CampaignAction.SEND)
    stack.wait_for(campaign_id)
    kept = stack.folder / demo_inbox_file.FILE
    arrived = wait_until(  # the inbox keeps what it accepted a moment later
        lambda: len(found := demo_inbox_file.latest(kept)) == 3 and found, "all have arrived"
    )
    for mail in arrived:
        parts = email.message_from_bytes(mail.raw, policy=email.policy.default).walk()
        found = {part.get_filename(): part for part in parts if part.get_filename()}
        assert found.keys() == {"logo.png", "Ghi chú.txt"}
        assert found["logo.png"]["Content-ID"] == "<logo.png>"
        assert found["logo.png"].get_content() == image
        assert found["Ghi chú.txt"].get_payload(decode=True) == notes


def test_unusual_addresses_are_sent_in_the_form_that_the_standard_has_for_them(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()
    stack.start("redis", "sink", "worker", "beat")
    odd = [
        "a..b@x.example",
        "Ann <ab.@x.example>",
        ".ab@x.example",
        '"john doe"@x.example',
        "usual@x.example",
    ]
    campaign = stack.wait_for(stack.send(DRAFT, odd))
    assert campaign.counts[RecipientState.SENT] == 5
    assert set(stack.delivered()) == {
        '"a..b"@x.example',
        '"ab."@x.example',
        '".ab"@x.example',
        '"john doe"@x.example',
        "usual@x.example",
    }
    with stack.db.read() as connection:
        emails = connection.execute(select(recipients.c.email).order_by(recipients.c.id)).scalars().all()
    assert emails == [
        "a..b@x.example",
        "ab.@x.example",
        ".ab@x.example",
        '"john doe"@x.example',
        "usual@x.example",
    ]


def test_a_message_that_no_longer_can_be_composed_pauses_its_campaign_and_harms_no_other(
    make_stack: Callable[..., Stack],
) -> None:
    """An earlier version may have stored it."""
    stack = make_stack()
    stack.start("redis", "sink", "worker", "beat")
    with drafts.creating(stack.db, DRAFT, parse_pasted("\n".join(addresses(3)))) as (connection, bad):
        change = {"sender_from": "{{ company }} <club@sender.example>", "state": CampaignState.SENDING}
        connection.execute(update(campaigns).where(campaigns.c.id == bad).values(**change))
        errands = batches.wake(connection, bad)
    use(stack.settings)
    enqueue(stack.db, errands)
    assert "merge field" in str(stack.wait_for(bad, "paused").paused_reason)
    good = stack.send(DRAFT, addresses(3))
    assert stack.wait_for(good).counts[RecipientState.SENT] == 3
    assert stack.campaign(bad).counts[RecipientState.QUEUED] == 3


def test_who_cannot_be_written_to_fails_alone_with_the_reason(make_stack: Callable[..., Stack]) -> None:
    """What depends on more than the kinds of the values is known only then."""
    stack = make_stack()
    stack.start("redis", "sink", "worker", "beat")
    rows = [{"email": f"u{n}@x.example", "city": "x" * n} for n in (1, 3, 5, 7)]
    draft = Draft(DRAFT.sender_from, "Hi", "{% if city|length > 4 %}{{ 5|length }}{% endif %}{{ city }}")
    with drafts.creating(stack.db, draft, parse_rows(rows), ready=True) as (connection, campaign_id):
        act_on(connection, campaign_id, CampaignAction.SEND, checked=drafts.FIRST)
        errands = batches.wake(connection, campaign_id)
    use(stack.settings)
    enqueue(stack.db, errands)
    counts = stack.wait_for(campaign_id).counts
    assert (counts[RecipientState.SENT], counts[RecipientState.FAILED]) == (2, 2)
    with stack.db.read() as connection:
        replies = connection.execute(select(attempts.c.reply).where(attempts.c.result == "failed")).scalars()
        for reply in replies:
            assert "Line 1 of the text, column 25: {{ 5|length }} can't be computed" in reply
