"""What a campaign is for: bulk mail, perhaps about a topic that people can leave alone, or transactional.

Pure. Transactional mail is what a person waits for: a receipt, an answer, a changed password. Nobody can
unsubscribe from it, so it carries no link for that, and goes also to whoever left. It does not go where
mail must not go for other reasons: ``claims.WITHHOLDS`` is the rule.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from mailing.core.reasons import Reason, UnfitError

LONGEST_TOPIC = 60  # characters
EVERYTHING = ""
"""The scope of a suppression that is about no topic."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a campaign is for. ``topic`` is empty where it has none, and of one that is transactional."""

    topic: str = ""
    transactional: bool = False

    @property
    def columns(self) -> dict[str, object]:
        """What is stored of it in the campaign's row."""
        return {"topic": self.topic, "transactional": self.transactional}

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of the suppressions that bar it."""
        topic = scope(self.topic)
        return (EVERYTHING, topic) if topic and not self.transactional else (EVERYTHING,)


BULK = Purpose()


def read(topic: str, *, transactional: bool) -> Purpose:
    """Return the purpose that somebody wrote. Raises ``UnfitError`` for a topic that cannot be one."""
    topic = " ".join(unicodedata.normalize("NFC", topic).split())
    if len(topic) > LONGEST_TOPIC:
        raise UnfitError(Reason("topic.too-long", n=len(topic), most=LONGEST_TOPIC))
    if not topic.isprintable():
        raise UnfitError(Reason("topic.invalid-character"))
    if topic and transactional:
        raise UnfitError(Reason("topic.transactional"))
    return Purpose(topic, transactional)


def scope(topic: str) -> str:
    """Return the scope of a topic: however its letters are written, it is the same one."""
    return unicodedata.normalize("NFC", topic.casefold())
