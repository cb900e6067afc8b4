"""The text of an HTML message, for those who read no HTML; it is made where a person wrote none.

Pure. The marks of the HTML are in it, but for those that nobody sees: in styles and most attributes. A link
says where it leads, a table of data is drawn, one that only lays out a page is not.
"""

from __future__ import annotations

import re
from html import escape, unescape
from html.parser import HTMLParser

from inscriptis import get_text
from inscriptis.css_profiles import STRICT_CSS_PROFILE
from inscriptis.model.config import ParserConfig

from mailing.messages.marks import ComposeError
from mailing.messages.templates import read
from mailing.writing import markup, masks

_LOOK = ParserConfig(css=STRICT_CSS_PROFILE)
_TABLE = frozenset({"table", "thead", "tbody", "tfoot", "tr", "td", "th"})
_UNSEEN = frozenset({"script", "style", "template", "title"})
_LAYOUT = frozenset({"background", "bgcolor", "cellpadding", "cellspacing"})  # attributes of such a table
_LEADS = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)
_RAW = re.compile(r"({% raw %})(.*?)({% endraw %})", re.DOTALL)
_FILLER = re.compile("[\u034f\u00ad\u200b-\u200f\u2060\ufeff]")
_RULE = "-" * 24


def text_of(html: str) -> str:
    """Return the text of an HTML template, a template too.

    It is empty where the conditions of the HTML do not make sense in it. Raises ``ComposeError``.
    """
    masked = masks.mask("html", html)
    outline = _Outline(masked)
    outline.feed(markup.orderly(masked.bare))
    outline.close()
    try:
        drawn = get_text("".join(outline.pieces), _LOOK)
    except (RecursionError, ValueError):  # deeper than anybody writes, or no HTML at all
        return ""
    text = _RAW.sub(_as_text, masked.unmask(_tidied(drawn, masked), lossy=True))
    try:
        read("text", text)
    except ComposeError:
        return ""
    return text


def _as_text(raw: re.Match[str]) -> str:
    return raw[1] + unescape(re.sub(r"<[^<>]*>", "", raw[2])) + raw[3]


def _tidied(drawn: str, masked: masks.Masked) -> str:
    """Return it without empty room, and with each condition where it leaves none if it does not apply."""
    text = _FILLER.sub("", drawn.replace("\u00a0", " "))
    lines = [re.sub(r"^ (?=\S)", "", line.rstrip()) for line in text.split("\n")]  # a table leaves a blank
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines))
    alone = re.compile(rf"\n*(?:^[ \t]*{masked.statements}(?:\s*{masked.statements})*$\n*)+", re.MULTILINE)
    text = alone.sub(lambda found: "\n\n" + re.sub(r"\s+", "", found[0]), text)
    paragraphs = re.split(r"\n{2,}", text)
    return "\n\n".join(_unaligned(it) if masked.words.search(it) else it for it in paragraphs).strip()


def _unaligned(paragraph: str) -> str:
    """Return the rows of a table without the room that aligns its columns: fields are of any length."""
    return re.sub(r"(?<=\S) {3,}", "  ", paragraph)


class _Outline(HTMLParser):
    """Writes the HTML again as it is to be drawn. Blank where a mail program would show nothing."""

    def __init__(self, masked: masks.Masked) -> None:
        super().__init__(convert_charrefs=False)
        self.pieces: list[str] = []
        self._masked = masked
        self._unseen = 0
        self._links: list[tuple[str, int]] = []
        self._drawn: list[bool] = []  # of each table around: whether it holds data
        self._in_cell: list[bool] = []
        self._waiting = ""  # what stands between rows, until there is a cell

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _TABLE:
            self._open(tag, given)
        elif tag == "a":
            self._links.append((given.get("href", "").strip(), len(self.pieces)))
        elif tag == "img":
            self._say(escape(given.get("alt", "")) if self._links else "")
        elif tag == "hr":
            self._say(f"<p>{_RULE}</p>")
        else:
            self._say(self.get_starttag_text() or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _TABLE:
            self._shut(tag)
        elif tag == "a":
            self._lead()
        else:
            self._say(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._say(escape(data.replace(markup.SIGN, "<"), quote=False))

    def handle_entityref(self, name: str) -> None:
        self._say(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._say(f"&#{name};")

    def _say(self, piece: str) -> None:
        if self._unseen:
            return
        if self._drawn and self._drawn[-1] and not self._in_cell[-1]:
            self._waiting += piece.strip()
        else:
            self.pieces.append(piece)

    def _open(self, tag: str, given: dict[str, str]) -> None:
        if tag == "table":
            within = bool(self._drawn and self._drawn[-1])
            layout = given.get("role") in {"presentation", "none"} or _LAYOUT & given.keys()
            self.pieces.append("<div>")  # begins on a line of its own
            self._drawn.append(not (layout or within))
            self._in_cell.append(False)
        if self._drawn:
            self.pieces.append(self._tag(tag, given))
            self._in_cell[-1] = tag in {"td", "th"}
            if self._in_cell[-1]:
                self.pieces.append(self._waiting)
                self._waiting = ""

    def _shut(self, tag: str) -> None:
        if not self._drawn:
            return
        self.pieces.append(f"</{tag}>" if self._drawn[-1] else "</div>")
        self._in_cell[-1] = False
        if tag == "table":
            self._drawn.pop()
            self._in_cell.pop()
            self.pieces.append("</div>")
            waiting, self._waiting = self._waiting, ""
            self._say(waiting)

    def _tag(self, tag: str, given: dict[str, str]) -> str:
        hidden = ' style="display:none"' if "display:none" in given.get("style", "").replace(" ", "") else ""
        return f"<{tag if self._drawn[-1] else 'div'}{hidden}>"

    def _lead(self) -> None:
        """Say where a link leads, unless its own text does."""
        if not self._links:
            return
        target, start = self._links.pop()
        shown = re.sub(r"<[^>]*>", "", "".join(self.pieces[start:])).strip()
        bare = target.removeprefix("mailto:")
        if (_LEADS.match(target) or self._masked.words.match(target)) and shown not in {bare, escape(bare)}:
            self._say(f" &lt;{escape(bare)}&gt;")
