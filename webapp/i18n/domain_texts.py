"""What ``mailing`` tells, in the reader's language. A server's own words stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core import reasons
from webapp.i18n.languages import _, grouped

if TYPE_CHECKING:
    from mailing.core.reasons import ReasonError, Words


def say(words: Words) -> str:
    """Return a reason in the language now, and anything else as it is."""
    if isinstance(words, str):
        return words
    return reasons.word(words, lambda text, values: _(text, **values), grouped)


def say_why(error: ReasonError) -> str:
    """Return the reasons of an error in the language now."""
    return " ".join(map(say, error.reasons))
