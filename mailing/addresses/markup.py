"""One line of a web page becomes plain text: addresses come from links, entities become characters.

Pure. ``<a href="mailto:ann@example.org">Ann Lee</a>`` becomes ``Ann Lee <ann@example.org>``, and
``&lt;ann@example.org&gt;`` becomes ``<ann@example.org>``. Tags that part things become ``;``.
"""

from __future__ import annotations

import html
import re

_TAG = re.compile(
    r"</?(?:a|abbr|address|b|big|blockquote|br|center|code|dd|div|dl|dt|em|font|h[1-6]|hr|i|img|label|li|ol|p|"
    r"pre|q|s|small|span|strong|sub|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul)(?:\s[^<>]*+)?/?>|<!--[^<>]*+>",
    re.IGNORECASE,
)
_WITHIN = re.compile(
    r"</?(?:a|abbr|b|big|code|em|font|i|img|label|q|s|small|span|strong|sub|sup|tt|u)\b", re.IGNORECASE
)
_ANCHOR = re.compile(r"</?a\b", re.IGNORECASE)
_LINK = re.compile(r"<a\s.*?href\s*=\s*[\"']?\s*mailto:([^\"'\s>]+)", re.IGNORECASE)
_ENTITY = re.compile(
    r"&(?:lt|gt|amp|quot|apos|nbsp|commat|period|[aeiouAEIOU](?:acute|grave|circ|uml|tilde)|[cC]cedil|ntilde|"
    r"szlig|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});"
)
_TAG_MAX = 2_000  # characters of a tag that are searched for a link


def plain(line: str) -> str:
    """Return the line as a reader of the page would copy it, with the addresses behind its links."""
    if "<" in line and _TAG.search(line):
        line = _untagged(line)
    return _ENTITY.sub(_sign, line) if "&" in line else line


def _untagged(line: str) -> str:
    parts: list[str] = []
    address, at = "", 0
    for tag in _TAG.finditer(line):
        parts.append(line[at : tag.start()])
        at = tag.end()
        if address and (_ANCHOR.match(tag[0]) or not _WITHIN.match(tag[0])):  # the text of the link is over
            parts.append(f" <{address}>")
            address = ""
        if link := _LINK.match(tag[0][:_TAG_MAX]):
            address = link[1].partition("?")[0]
        elif not _WITHIN.match(tag[0]):
            parts.append(" ; ")
    parts.append(line[at:])
    return "".join(parts) + (f" <{address}>" if address else "")


def _sign(entity: re.Match[str]) -> str:
    sign = html.unescape(entity[0])
    return " " if sign in "\r\n\t\xa0\0" else sign
