"""What the HTML of a message is made of, as a careful mail program sees it.

Pure. It reads the first ``READ_MOST`` characters and never raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

READ_MOST = 500_000
KEPT_MOST = 500  # links
PREHEADER_MOST = 250  # letters and digits of the line that is hidden on purpose

_VOID = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input"),
        *("link", "meta", "param", "source", "track", "wbr"),
    }
)
_MUTE = frozenset({"head", "script", "style", "title", "template"})
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all"
    r"|(?:font-size|opacity|max-height)\s*:\s*0(?:\.0*)?(?:px|pt|em|rem|%)?\s*(?:;|!|\Z)",
    re.IGNORECASE,
)
_DEPTH_MOST = 1_000


@dataclass(slots=True)
class Link:
    """Where a link leads, and what is written on it."""

    href: str
    words: str = ""


@dataclass(slots=True)
class Anatomy:
    """What was found. ``visible`` and ``hidden`` count letters and digits, the preheader's left out."""

    images: int = 0
    without_alt: int = 0
    links: list[Link] = field(default_factory=list)
    visible: int = 0
    hidden: int = 0


def read(html: str) -> Anatomy:
    """Return what the HTML is made of."""
    reader = _Reader()
    reader.feed(html[:READ_MOST])
    reader.close()
    reader.end()
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Anatomy()
        self._open: list[tuple[str, bool, bool]] = []  # tag, whether its text is hidden, whether it is none
        self._link: Link | None = None
        self._beginning = 0  # letters that are hidden before any are seen

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "img":
            self.found.images += 1
            self.found.without_alt += "alt" not in values
        if tag == "a" and values.get("href", "").strip() and len(self.found.links) < KEPT_MOST:
            self._link = Link(values["href"].strip())
            self.found.links.append(self._link)
        if tag not in _VOID and len(self._open) < _DEPTH_MOST:
            _tag, hidden, mute = self._open[-1] if self._open else ("", False, False)
            hides = "hidden" in values or bool(_HIDING.search(values.get("style", "")))
            self._open.append((tag, hidden or hides, mute or tag in _MUTE))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None
        for place in range(len(self._open) - 1, max(len(self._open) - 50, -1), -1):
            if self._open[place][0] == tag:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        _tag, hidden, mute = self._open[-1] if self._open else ("", False, False)
        letters = 0 if mute else sum(map(str.isalnum, data))
        if not letters:
            return
        if not hidden:
            self.found.visible += letters
            if self._link is not None:
                self._link.words += data
        elif self.found.visible:
            self.found.hidden += letters
        else:
            self._beginning += letters

    def end(self) -> None:
        if self._beginning > PREHEADER_MOST:
            self.found.hidden += self._beginning
