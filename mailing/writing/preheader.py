"""The preheader: the line that mail programs show beside the subject, hidden within the message itself.

Pure. It is the first text of the body. What follows it keeps the list of messages from filling up with the
sentences after it.
"""

from __future__ import annotations

import re
from html import escape

from mailing.writing import masks

SHOWN = 150  # characters at most, in the mail programs there are
_FILLER = "&#847;&zwnj;&nbsp;"  # as wide as a space, and nothing to see
_FEWEST = 40
_HIDDEN = (
    "display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all;"
    "font-size:1px;line-height:1px;color:transparent"
)
_BODY = re.compile(r"<body\b(?:[^\"'<>]++|\"[^\"]*+\"|'[^']*+')*+>", re.IGNORECASE)
_BEFORE_BODY = re.compile(r"\s*+(?:<!doctype\b[^<>]*+>)?+(?:.*</head\s*+>)?", re.IGNORECASE | re.DOTALL)


def hidden(preheader: str) -> str:
    """Return the element that holds the preheader, a template in plain text; nothing of an empty one."""
    if not preheader.strip():
        return ""
    masked = masks.mask_plain("preheader", " ".join(preheader.split()))
    text = masked.unmask(escape(masked.text))
    filler = _FILLER * max(_FEWEST, SHOWN - len(preheader))
    return f'<div style="{_HIDDEN}">{text}{filler}</div>'


def insert(html: str, preheader: str) -> str:
    """Return the document with the preheader as the first thing of its body.

    Raises ``ComposeError`` for a mark that does not end.
    """
    element = hidden(preheader)
    if not element:
        return html
    shape = masks.blanked("html", html)
    body = _BODY.search(_without_comments(shape))
    at = body.end() if body else len(match[0]) if (match := _BEFORE_BODY.match(shape)) else 0
    return html[:at] + element + html[at:]


def _without_comments(shape: str) -> str:
    return re.sub(r"<!--.*?(?:-->|\Z)", lambda comment: " " * len(comment[0]), shape, flags=re.DOTALL)
