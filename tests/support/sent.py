"""A message and a list that a whole Volley sends, and the proof that everybody got it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.campaigns.drafts import Draft
from mailing.core.states import RecipientState

if TYPE_CHECKING:
    from tests.support.stack import Stack

DRAFT = Draft("Club <club@sender.example>", "Hello {{ name }}", "Dear {{ name }},\nyou are {{ email }}.\n")


def addresses(n: int) -> list[str]:
    return [f"User {i} <user{i}@domain{i % 7}.example>" for i in range(n)]


def assert_everybody_got_it_once(stack: Stack, campaign_id: int, n: int) -> None:
    """Compare the ledger with what the sink wrote down."""
    campaign = stack.campaign(campaign_id)
    assert campaign.counts[RecipientState.SENT] == n
    delivered = stack.delivered()
    assert len(delivered) == n
    assert max(delivered.values()) == 1
