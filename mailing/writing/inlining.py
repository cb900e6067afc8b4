"""Styles are written into the elements that they apply to, for mail programs that ignore ``<style>``.

Pure: style sheets from elsewhere are never fetched. What cannot be inlined stays in ``<style>``: rules for
phones and for the dark, ``:hover``, and whatever has a mark in it.
"""

from __future__ import annotations

import re

from css_inline import CSSInliner, InlineError

from mailing.writing import masks


def inliner(styles: str | None = None) -> CSSInliner:
    """Return what inlines the styles of a document, and these ``styles``, none of which stays behind."""
    return CSSInliner(
        extra_css=styles,
        keep_link_tags=True,
        keep_style_tags=True,
        load_remote_stylesheets=False,
        remove_inlined_selectors=True,
    )


_OF_DOCUMENT = inliner()
_DOCTYPE = re.compile(r"\s*+<!doctype\b[^<>]*+>\s*+", re.IGNORECASE)
_STYLE = re.compile(r"<style\b", re.IGNORECASE)
_EMPTY = re.compile(r"<style[^<>]*+>\s*+</style>", re.IGNORECASE)


def inline(html: str, by: CSSInliner = _OF_DOCUMENT) -> str:
    """Return the document with its styles inlined, or as it is where it has none, or no readable ones.

    Raises ``ComposeError`` for a mark that stands where an HTML parser moves it from.
    """
    if not _STYLE.search(html):
        return html
    masked = masks.mask("html", html)
    try:
        inlined = by.inline(masked.text)
    except InlineError:
        return html
    doctype = _DOCTYPE.match(masked.text)  # the inliner forgets which one it was
    if doctype:
        inlined = doctype[0] + _DOCTYPE.sub("", inlined, count=1)
    return masked.unmask(_EMPTY.sub("", inlined))
