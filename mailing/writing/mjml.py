"""MJML becomes an HTML document. Pure: no file is included, and no font fetched that a person did not name.

The compiler skips what it does not know and names no line, so what is wrong is looked for before it runs.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NoReturn

from mjml import mjml2html

from mailing.core.reasons import Reason
from mailing.messages.marks import ComposeError
from mailing.messages.values import unify
from mailing.writing import masks
from mailing.writing.markup import SIGN, orderly

_VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})
_UNCLOSED = re.compile(
    r"""<(?P<tag>area|base|br|col|hr|img|input|link|meta|source|wbr)\b
    (?P<rest>(?:[^"'<>/]++|/(?!>)|"[^"]*+"|'[^']*+')*+)>""",
    re.IGNORECASE | re.VERBOSE,
)
_UNQUOTED = re.compile(r"""=\s*+[^"'\s>]""")
_QUOTED = re.compile(r""""[^"]*+"|'[^']*+'""")
_DASHES = re.compile(r"<!--(?:(?!--).)*+--(?!>)", re.DOTALL)
KNOWN = frozenset(
    {"mjml"}
    | {
        f"mj-{name}"
        for name in (
            *("accordion", "accordion-element", "accordion-text", "accordion-title", "all", "attributes"),
            *("body", "breakpoint", "button", "carousel", "carousel-image", "class", "column", "divider"),
            *("font", "group", "head", "hero", "html-attribute", "html-attributes", "image", "include"),
            *("navbar", "navbar-link", "preview", "raw", "section", "selector", "social"),
            *("social-element", "spacer", "style", "table", "text", "title", "wrapper"),
        )
    }
)


def document(source: str) -> str:
    """Return the HTML document of an MJML source, with its marks. Raises ``ComposeError``."""
    source = unify(source)
    checker = _Checker()
    checker.feed(orderly(masks.blanked("html", source)))
    checker.close()
    checker.finish()
    for comment in _DASHES.finditer(source):
        line = source.count("\n", 0, comment.start()) + 1
        column = comment.start() - source.rfind("\n", 0, comment.start())
        raise ComposeError("html", _wrong(line, column, Reason("mjml.dashes")))
    masked = masks.mask("html", source)
    text = _UNCLOSED.sub(lambda tag: f"<{tag['tag']}{tag['rest']}/>", masked.text)
    try:
        html: str = mjml2html(text, fonts={}, include_loader=_nothing)
    except ValueError as error:
        raise ComposeError("html", Reason("mjml.unreadable", said=str(error))) from None
    return masked.unmask(html)


def _nothing(path: str) -> str:
    raise ValueError(path)


class _Checker(HTMLParser):
    """Raises ``ComposeError`` for what is wrong, at its line and column."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self._open: list[tuple[str, tuple[int, int]]] = []
        self._seen: set[str] = set()

    def finish(self) -> None:
        """Raise for what the source lacks at its end."""
        if self._open:
            tag, place = self._open[-1]
            self._refuse(Reason("mjml.not-closed", tag=f"<{tag}>", end=f"</{tag}>"), place)
        if not {"mjml", "mj-body"} <= self._seen:
            self._refuse(Reason("mjml.no-body"), (1, 0))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._check(tag)
        if tag not in _VOID:
            self._open.append((tag, self.getpos()))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._check(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        if not self._open or self._open[-1][0] != tag:
            expected = f"</{self._open[-1][0]}>" if self._open else "<mjml>"
            self._refuse(Reason("mjml.not-open", tag=f"</{tag}>", expected=expected))
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if SIGN in data:
            line, column = self.getpos()
            before = data.partition(SIGN)[0]
            last = before.rpartition("\n")[2]
            place = line + before.count("\n"), len(last) + (0 if "\n" in before else column)
            self._refuse(Reason("mjml.bare-sign"), place)

    def _check(self, tag: str) -> None:
        self._seen.add(tag)
        if tag == "mj-include":
            self._refuse(Reason("mjml.include"))
        if tag.startswith("mj") and tag not in KNOWN:
            self._refuse(Reason("mjml.unknown", tag=f"<{tag}>"))
        if _UNQUOTED.search(_QUOTED.sub('""', self.get_starttag_text() or "")):
            self._refuse(Reason("mjml.unquoted", tag=f"<{tag}>"))

    def _refuse(self, reason: Reason, place: tuple[int, int] | None = None) -> NoReturn:
        line, column = place or self.getpos()
        raise ComposeError("html", _wrong(line, column + 1, reason))


def _wrong(line: int, column: int, reason: Reason) -> Reason:
    return Reason("mjml.wrong", line=line, column=column, reason=reason)
