"""Volley's own frame around a body that was written visually or in Markdown.

Pure. The body stands in a column of 600 px, which is as wide as the screen on a phone and has its width from
a table in Outlook, which knows no ``max-width``. It follows the theme of the reader.
"""

from __future__ import annotations

import re
from email.utils import parseaddr
from html import escape
from importlib import resources

from mailing.messages.marks import cut
from mailing.writing import inlining, preheader

_FILES = resources.files(__package__)
_FRAME = _FILES.joinpath("frame.html").read_text("utf-8")
_INLINER = inlining.inliner(_FILES.joinpath("frame.css").read_text("utf-8"))
_SLOT = re.compile(r"\[\[(\w+)\]\]")
_VIETNAMESE = re.compile("[\u0102\u0103\u0110\u0111\u01a0\u01a1\u01af\u01b0\u1ea0-\u1ef9]")


def framed(body: str, *, sender_from: str, subject: str, preview: str) -> str:
    """Return the whole document of a body. Raises ``ComposeError``."""
    slots = {
        "lang": ' lang="vi"' if _VIETNAMESE.search(body) else "",
        "title": _title(subject),
        "body": body,
        "footer": _footer(sender_from),
    }
    document = _SLOT.sub(lambda slot: slots[slot[1]], _FRAME)
    return preheader.insert(inlining.inline(document, _INLINER), preview)


def _title(subject: str) -> str:
    """Return the subject, which is shown where a message is opened in a browser, unless it has fields."""
    pieces = list(cut("subject", subject))
    return (
        escape("".join(piece for piece in pieces if isinstance(piece, str)).strip())
        if len(pieces) == 1
        else ""
    )


def _footer(sender_from: str) -> str:
    """Return who writes, as far as it can be read: a draft may lack it still."""
    name, address = parseaddr(sender_from)
    return " &middot; ".join(escape(each) for each in (name, address) if each)
