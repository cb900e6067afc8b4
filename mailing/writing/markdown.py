"""Markdown becomes the HTML of a body. Pure.

It is CommonMark with tables and strikethrough. A line break stays one, as people expect of a letter. HTML
within it is text: a person who wants HTML writes HTML.
"""

from __future__ import annotations

from markdown_it import MarkdownIt

from mailing.core.reasons import Reason
from mailing.messages.marks import ComposeError, part_name
from mailing.writing import masks
from mailing.writing.markup import too_deep

_DIALECT = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])


def body(source: str) -> str:
    """Return the HTML of a Markdown source, with its marks. Raises ``ComposeError``."""
    masked = masks.mask_plain("html", source)
    html = _DIALECT.render(masked.text)
    if too_deep(html):
        raise ComposeError("html", Reason("template.too-complex", part=part_name("html"), line=1, column=1))
    return masked.unmask(masks.alone(masked, html))
