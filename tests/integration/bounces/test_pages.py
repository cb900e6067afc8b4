"""The pages of a campaign and of its recipient say what came back, and how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import update

from mailing.core.tables import recipients
from tests.integration.bounces.test_complaints import PEOPLE, complain, sending
from tests.integration.bounces.test_recording import FULL, address_of, id_of, sent_campaign, take
from tests.support import bounces

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database


async def page(client: TestClientProtocol, path: str) -> str:
    answer = await client.get(path)
    assert answer.status_code == 200
    return " ".join((await answer.get_data(as_text=True)).split())


async def test_a_row_and_the_recipients_page_say_when_it_bounced_and_why(
    client: TestClientProtocol, db: Database
) -> None:
    campaign_id = sent_campaign(db)
    take(db, bounces.dsn(to=address_of(db, campaign_id), **FULL))
    ann = id_of(db, campaign_id)
    with db.write() as connection:
        later = recipients.c.changed_at + 240_000
        connection.execute(update(recipients).where(recipients.c.id == ann).values(bounced_at=later))
    shown = await page(client, f"/campaigns/{campaign_id}")
    assert "bounced 4 min later: mailbox full" in shown.replace("4 min 0 s", "4 min")
    assert "<dt>Bounced</dt><dd>1 (50.0%)" in shown
    shown = await page(client, f"/campaigns/{campaign_id}/recipients/{ann}")
    assert "552 5.2.2 Mailbox full" in shown
    assert "mx.sender.example" in shown


async def test_a_campaign_that_paused_for_complaints_says_so_and_what_to_do(
    client: TestClientProtocol, db: Database
) -> None:
    campaign_id = sending(db)
    complain(db, campaign_id, *PEOPLE[:3])
    shown = await page(client, f"/campaigns/{campaign_id}")
    assert "3 of 30 recipients reported the email as spam; the limit is 0.3%." in shown
    assert "The recipients who reported it are on the do-not-send list." in shown
    assert "<dt>Reported as spam</dt><dd>3 (10.0%)" in shown
