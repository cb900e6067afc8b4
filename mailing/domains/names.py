"""What is a domain that mail can come from, and which ones campaigns come from."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing.core.reasons import Reason, UnfitError
from mailing.core.tables import campaigns
from mailing.messages.compose import ComposeError
from mailing.messages.headers import HOST, read_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

LONGEST = 230  # characters: a selector and ``_domainkey`` come before it (RFC 1035 section 2.3.4)
LABEL_MOST = 63
RECENT = 100  # different From addresses


def read(text: str) -> str:
    """Return the domain that somebody wrote, in small letters and ASCII (RFC 5891). Raises ``UnfitError``."""
    try:
        name = text.strip().removesuffix(".").lower().encode("idna").decode()
    except UnicodeError:
        name = ""
    labels = name.split(".")
    fit = HOST.fullmatch(name) and len(labels) > 1 and len(name) <= LONGEST
    if not fit or any(len(label) > LABEL_MOST for label in labels):
        raise UnfitError(Reason("domain.invalid"))
    return name


@lru_cache(maxsize=256)
def of(sender_from: str) -> str:
    """Return the domain of a From line as a person wrote it; empty where it cannot be read."""
    try:
        return read_from(sender_from)[1].rpartition("@")[2].lower()
    except ComposeError:
        return ""


def of_campaigns(connection: Connection) -> Sequence[str]:
    """Return the domains that the latest campaigns come from, in the order of the alphabet."""
    column = campaigns.c.sender_from
    latest = select(column).group_by(column).order_by(func.max(campaigns.c.id).desc()).limit(RECENT)
    found = {of(each) for each in connection.execute(latest).scalars()}
    return sorted(each for each in found if "." in each)
