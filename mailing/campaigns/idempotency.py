"""First answers to calls that carry an Idempotency-Key, so that a repeated call does nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from mailing.core.tables import answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


class KeyReused(Exception):  # noqa: N818 - a refusal with its reason, not a malfunction
    """The key belongs to another request: use a new key for each new request."""


def find(connection: Connection, key: str, request_hash: str) -> Mapping[str, Any] | None:
    """Return the first answer to this request, or None if it is new. Raises ``KeyReused``."""
    row = connection.execute(
        select(answers.c.request_hash, answers.c.body).where(answers.c.key == key)
    ).one_or_none()
    if row is None:
        return None
    if row.request_hash != request_hash:
        raise KeyReused(str(KeyReused.__doc__))
    found: Mapping[str, Any] = row.body
    return found


def keep(
    connection: Connection, key: str, request_hash: str, campaign_id: int, body: Mapping[str, Any]
) -> None:
    """Keep an answer in the transaction that makes it true.

    Raises ``IntegrityError`` when a request with the same key was faster; then all of this is undone.
    """
    connection.execute(
        insert(answers).values(key=key, request_hash=request_hash, campaign_id=campaign_id, body=body)
    )
