"""A message as a person wrote it becomes the templates that are filled for each recipient. Pure.

What was written is kept beside what it became, so that it can be edited again, and so that what is sent is
what was seen, even after a later Volley makes something else of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailing.messages.compose import Message


class Writing(StrEnum):
    """How the HTML of a message comes about.

    With ``plain`` there is none. ``source`` is a whole HTML document as it was written, ``mjml`` one that is
    made of MJML. ``markdown`` and ``visual`` are the body alone: Volley puts it into its frame.
    """

    PLAIN = "plain"
    VISUAL = "visual"
    MARKDOWN = "markdown"
    SOURCE = "source"
    MJML = "mjml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a person wrote. ``html`` is in the language of ``writing``; an empty ``text`` is made from it.

    ``preheader`` is the line that mail programs show beside the subject. All four are templates.
    """

    sender_from: str
    subject: str
    preheader: str = ""
    writing: Writing = Writing.SOURCE
    text: str = ""
    html: str = ""


def compile_message(written: Written) -> Message:
    """Return the message whose parts are filled for each recipient. Raises ``ComposeError``."""
    html = "" if written.writing is Writing.PLAIN else written.html
    return Message(written.sender_from, written.subject, written.text, html)
