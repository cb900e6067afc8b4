"""Whom of those that a worker has just claimed nobody may mail: looked up in the claim's own transaction.

So whoever leaves in the middle of a campaign is not mailed by any claim that is made after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.clock import now_ms
from mailing.core.statements import run
from mailing.suppression import subjects
from mailing.suppression.purposes import Purpose
from mailing.suppression.tables import SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from sqlalchemy import Connection

WITHHOLDS: Mapping[bool, AbstractSet[SuppressionReason]] = {
    False: frozenset(SuppressionReason),
    True: frozenset(SuppressionReason) - {SuppressionReason.UNSUBSCRIBED},
}
"""Which reasons keep an email from being sent, by whether its campaign is transactional. An imported list
does not tell why it bars somebody, so it counts as the graver case."""


MOST = 300  # addresses of one look-up
_ABOUT = "SELECT forget_key, topic, transactional FROM installation, campaigns WHERE campaigns.id = ?"
_FIND = (
    "SELECT subject, reason FROM suppressions WHERE subject IN (*) AND scope IN (?, ?) "
    "AND (expires_at IS NULL OR expires_at > ?) ORDER BY id"
)
_FORETELL = (
    "SELECT count(*) FROM recipients WHERE campaign_id = ? AND EXISTS (SELECT 1 FROM suppressions "
    "WHERE subject IN (lower(email), '@' || lower(domain)) AND scope IN (?, ?) AND reason IN (:bars) "
    "AND (expires_at IS NULL OR expires_at > ?))"
)


def foretell(connection: Connection, campaign_id: int, purpose: Purpose) -> int:
    """Return how many recipients of a campaign must not be mailed, as it is now.

    People who were forgotten are left out: only a hash of each address would tell.
    """
    bars = sorted(WITHHOLDS[purpose.transactional])
    statement = _FORETELL.replace(":bars", ", ".join("?" * len(bars)))
    values = (campaign_id, purpose.scopes[0], purpose.scopes[-1], *bars, now_ms())
    return int(run(connection, statement, values).scalar_one())


def withheld(
    connection: Connection, campaign_id: int, emails: Mapping[int, str]
) -> dict[int, SuppressionReason]:
    """Return whom a campaign must not mail, and why; recipients are given and returned by id.

    The oldest of several suppressions is the reason. ``purposes`` says which of them bar which campaign.
    """
    found: dict[int, SuppressionReason] = {}
    if not emails:
        return found
    about = run(connection, _ABOUT, (campaign_id,)).one()
    key, purpose = about.forget_key, Purpose(about.topic, bool(about.transactional))
    first_scope, last_scope = purpose.scopes[0], purpose.scopes[-1]
    bars = WITHHOLDS[purpose.transactional]
    people = list(emails.items())
    for first in range(0, len(people), MOST):
        covers: dict[str, list[int]] = {}
        for recipient_id, email in people[first : first + MOST]:
            if subjects.is_label(email):
                found[recipient_id] = SuppressionReason.MANUAL
            for subject in subjects.of(email, key):
                covers.setdefault(subject, []).append(recipient_id)
        statement = _FIND.replace("*", ", ".join("?" * len(covers)))
        for row in run(connection, statement, (*covers, first_scope, last_scope, now_ms())):
            for recipient_id in covers[row.subject] if row.reason in bars else ():
                found.setdefault(recipient_id, SuppressionReason(row.reason))
    return found
