"""HTML that may hold anything becomes a document that does nothing, for a preview; and what it held is told.

Pure. A mail program does the same with a message, so what is lost here is lost there. The preview has no
rights besides: it stands in a sandbox of its own.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from html.parser import HTMLParser

import nh3

from mailing.core.reasons import Reason
from mailing.messages.marks import ComposeError
from mailing.messages.values import unify
from mailing.writing import masks
from mailing.writing.markup import orderly, too_deep

_TAGS = nh3.ALLOWED_TAGS | frozenset(
    "article aside center font footer header main nav section style tfoot u big picture".split()  # noqa: SIM905
)
_EMPTIED = frozenset(
    "applet embed iframe noscript object script select svg template textarea title".split()  # noqa: SIM905
)
_EVERYWHERE = frozenset(
    "align bgcolor border cellpadding cellspacing class color dir height id lang role".split()  # noqa: SIM905
) | {"style", "title", "valign", "width"}
_ATTRIBUTES = {
    "*": _EVERYWHERE,
    "a": frozenset({"href", "name"}),
    "col": frozenset({"span"}),
    "font": frozenset({"face", "size"}),
    "img": frozenset({"alt", "hspace", "src", "vspace"}),
    "li": frozenset({"value"}),
    "ol": frozenset({"start", "type"}),
    "style": frozenset({"media", "type"}),
    "td": frozenset({"colspan", "headers", "nowrap", "rowspan"}),
    "th": frozenset({"colspan", "headers", "nowrap", "rowspan", "scope"}),
}


def _without_data(_tag: str, name: str, value: str) -> str | None:
    """Return the value of an attribute, unless it is a link to a page within the link itself."""
    return None if name == "href" and value.strip().lower().startswith("data:") else value


_CLEANER = nh3.Cleaner(
    tags=set(_TAGS),
    clean_content_tags=set(_EMPTIED),
    attributes=_ATTRIBUTES,
    attribute_filter=_without_data,
    generic_attribute_prefixes={"aria-"},
    url_schemes={"cid", "data", "http", "https", "mailto", "tel"},
)
_BODY = re.compile(r"<body\b(?P<attributes>(?:[^\"'<>]++|\"[^\"]*+\"|'[^']*+')*+)>", re.IGNORECASE)
_CLEANED = re.compile(r"<div(?P<attributes>[^>]*)>")
_SCHEME = re.compile(r"<meta\b[^<>]*color-scheme[^<>]*+>", re.IGNORECASE)
_HEAD = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
_THEMES = '<meta name="color-scheme" content="light dark">'

_DANGEROUS_TAGS = {
    "script": "danger.script",
    **dict.fromkeys(("applet", "embed", "frame", "frameset", "iframe", "object"), "danger.frame"),
    **dict.fromkeys(("button", "form", "input", "select", "textarea"), "danger.form"),
    **dict.fromkeys(("math", "svg"), "danger.drawing"),
    "base": "danger.base",
}
_RUNS = re.compile(r"[\s\x00-\x1f]*+(?:javascript|vbscript|data:text/html)", re.IGNORECASE)


def harmless(html: str) -> str:
    """Return a whole document that looks like ``html`` and runs nothing."""
    if too_deep(html):  # no message that Volley sends is
        html = ""
    body = _BODY.search(html)
    around = _CLEANED.match(_CLEANER.clean(f"<div{body['attributes']}></div>")) if body else None
    attributes = around["attributes"] if around else ""
    themes = _THEMES if _SCHEME.search(html) else ""
    head = f"<!doctype html><html><head>{_HEAD}{themes}</head>"
    return f"{head}<body{attributes}>{_CLEANER.clean(html)}</body></html>"


def findings(html: str) -> tuple[Reason, ...]:
    """Return what in an HTML message, or in the template of one, would run or ask for something if it could.

    One reason for each kind: how often it is there, and the line of the first.
    """
    with suppress(ComposeError):  # it cannot be sent as it is, and this is found all the same
        html = masks.blanked("html", unify(html))
    search = _Search()
    search.feed(orderly(html))
    search.close()
    return tuple(
        Reason(code, n=n, line=search.first[code], names=tuple(sorted(search.names[code])))
        for code, n in search.counted.items()
    )


class _Search(HTMLParser):
    """Counts what is dangerous, by its code."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()
        self.first: dict[str, int] = {}
        self.names: dict[str, set[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _DANGEROUS_TAGS:
            self._found(_DANGEROUS_TAGS[tag], f"<{tag}>")
        if tag == "meta" and given.get("http-equiv", "").strip().lower() == "refresh":
            self._found("danger.refresh", "<meta>")
        if tag == "link" and "stylesheet" in given.get("rel", "").lower().split():
            self._found("danger.style-sheet", "<link>")
        for name, value in given.items():
            if name.startswith("on") and name.isalpha():
                self._found("danger.handler", name)
            elif _RUNS.match(value) and not (tag == "img" and name == "alt"):
                self._found("danger.address", name)

    def _found(self, code: str, name: str) -> None:
        self.counted[code] += 1
        self.first.setdefault(code, self.getpos()[0])
        self.names.setdefault(code, set()).add(name)
