"""Suppressions."""

from typing import Annotated, TypedDict

from mailing.suppression.tables import SuppressionReason
from webapp.openapi.shapes.common import SkippedLine, Time


class Suppression(TypedDict):
    """An address or a domain that no campaign mails."""

    id: int
    subject: Annotated[str, "An address, `@` and a domain, or `#` and a hash of whom Volley has forgotten."]
    topic: Annotated[str, "The topic from which it is kept, in small letters; empty: from everything."]
    reason: SuppressionReason
    source: Annotated[str, "Who or what said so."]
    since: Time
    until: Annotated[Time | None, "Null: until it is lifted."]


class SuppressionPage(TypedDict):
    """Suppressions, the latest first."""

    suppressions: list[Suppression]
    next: Annotated[int | None, "The `before` of the next page; null after the last."]


class Suppressed(TypedDict):
    """What became of a list."""

    new: int
    known: Annotated[int, "How many were suppressed already."]
    skipped: Annotated[list[SkippedLine], "The first 100."]
    skipped_total: int


class Lifted(TypedDict):
    """A suppression that was lifted."""

    id: int
    subject: str


class Forgotten(TypedDict):
    """A person was forgotten."""

    forgotten: bool


class Why(TypedDict):
    """What keeps an address from being mailed; nothing if the list is empty."""

    email: str
    suppressions: list[Suppression]
