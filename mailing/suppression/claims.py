"""Whom of those that a worker has just claimed nobody may mail: looked up in the claim's own transaction.

So whoever leaves in the middle of a campaign is not mailed by any claim that is made after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.clock import now_ms
from mailing.core.statements import run
from mailing.suppression import subjects
from mailing.suppression.tables import SuppressionReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

MOST = 300  # addresses of one look-up
_KEY = "SELECT forget_key FROM installation"
_FIND = (
    "SELECT subject, reason FROM suppressions WHERE subject IN (*) "
    "AND (expires_at IS NULL OR expires_at > ?) ORDER BY id"
)


def withheld(connection: Connection, emails: Mapping[int, str]) -> dict[int, SuppressionReason]:
    """Return who of these must not be mailed, and why; recipients are given and returned by id.

    The oldest of several suppressions is the reason.
    """
    found: dict[int, SuppressionReason] = {}
    if not emails:
        return found
    key = run(connection, _KEY, ()).scalar_one()
    people = list(emails.items())
    for first in range(0, len(people), MOST):
        covers: dict[str, list[int]] = {}
        for recipient_id, email in people[first : first + MOST]:
            for subject in subjects.of(email, key):
                covers.setdefault(subject, []).append(recipient_id)
        statement = _FIND.replace("*", ", ".join("?" * len(covers)))
        for row in run(connection, statement, (*covers, now_ms())):
            for recipient_id in covers[row.subject]:
                found.setdefault(recipient_id, SuppressionReason(row.reason))
    return found
