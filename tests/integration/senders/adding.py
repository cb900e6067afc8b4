"""A sender is added on its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mailing.senders import store

if TYPE_CHECKING:
    from mailing.core.database import Database
    from mailing.senders.store import Account
    from tests.support.web import Visitor

CLUB = {
    "name": "Club",
    "host": "smtp.example.org",
    "port": "587",
    "tls": "starttls",
    "verify": "1",
    "username": "club",
    "password": "hunter2",
    "per_day": "500",
}


def senders(db: Database) -> list[Account]:
    with db.read() as connection:
        return list(store.every(connection))


async def add(visitor: Visitor, **more: str) -> str:
    """Add a sender; return the path of its page."""
    await visitor.read("/senders/new?preset=relay")
    answer = await visitor.post("/senders", CLUB | more)
    assert answer.status_code == 303, await answer.get_data(as_text=True)
    return urlsplit(answer.headers["Location"]).path


async def said(answer: Any, status: int) -> str:
    text = (await answer.get_data()).decode()
    assert answer.status_code == status, text
    return text.replace("&#39;", "'")
