"""A message as a person wrote it becomes the templates that are filled for each recipient. Pure.

What was written is kept beside what it became, so that it can be edited again, and so that what is sent is
what was seen, even after a later Volley makes something else of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.messages.compose import ComposeError, Message
from mailing.messages.templates import read
from mailing.writing import markdown, mjml, visual
from mailing.writing.frame import framed
from mailing.writing.inlining import inline
from mailing.writing.markup import DEEPEST, too_deep
from mailing.writing.masks import blanked
from mailing.writing.plain_text import text_of
from mailing.writing.preheader import insert

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.messages.marks import Part


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

    @property
    def lacks(self) -> Part | None:
        """The part without which nothing would be said; None where it is there."""
        if self.writing is Writing.PLAIN:
            return None if self.text.strip() else "text"
        by_text = self.writing is Writing.SOURCE and self.text.strip()
        return None if by_text or self.html.strip() else "html"


def compile_message(written: Written) -> Message:
    """Return the message whose parts are filled for each recipient.

    Raises ``ComposeError``, which names the place in what was written, not in what it becomes.
    """
    if not written.html.strip() or written.writing is Writing.PLAIN:
        return Message(written.sender_from, written.subject, written.text)
    source = visual.as_typed(written.html) if written.writing is Writing.VISUAL else written.html
    read("html", source)
    read("preheader", written.preheader)
    is_html = written.writing is not Writing.MARKDOWN
    if is_html and (place := too_deep(blanked("html", source))):
        line, column = place
        raise ComposeError("html", Reason("template.too-deep", line=line, column=column, most=DEEPEST))
    body = _BODIES[written.writing](source)
    text = written.text if written.text.strip() else text_of(body)
    return Message(written.sender_from, written.subject, text, _whole(written, body))


def _whole(written: Written, body: str) -> str:
    if written.writing in {Writing.SOURCE, Writing.MJML}:
        return insert(body, written.preheader)
    return framed(body, sender_from=written.sender_from, subject=written.subject, preview=written.preheader)


_BODIES: dict[Writing, Callable[[str], str]] = {
    Writing.VISUAL: visual.body,
    Writing.MARKDOWN: markdown.body,
    Writing.SOURCE: inline,
    Writing.MJML: mjml.document,
}
