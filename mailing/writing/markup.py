"""HTML of any kind becomes HTML that Python's own parser reads in time, at the same lines and columns.

Pure. HTML that is nested too deep is found before any parser sees it, as it crashes the whole process of a
compiled one. Python's parser takes quadratic time for what is never closed, and fails at some of it. Whole
tags stay; comments, declarations and what stands in scripts and styles become blank; any other ``<`` is a
sign.
"""

from __future__ import annotations

import re

DEEPEST = 200  # elements within one another; the crash comes at thousands
SIGN = "\ufdd0"
"""Stands for each ``<`` that begins no tag: no text may hold it (Unicode 23.7)."""

TAG = r"""</?[a-zA-Z](?:[^"'<>]++|"[^"]*+"|'[^']*+')*+>"""
_PIECE = re.compile(
    rf"""
      (?P<comment><!--.*?(?:-->|\Z))
    | (?P<declaration><[!?][^<>]*+>)
    | (?P<unseen><(?P<name>script|style)\b(?:[^"'<>]++|"[^"]*+"|'[^']*+')*+>)
      (?P<content>.*?)(?P<end></(?P=name)\s*+>|\Z)
    | (?P<tag>{TAG})
    | <
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_OPENED = re.compile(r"<(?P<end>/?)(?P<name>[a-zA-Z][^\s/<>\"']*+)")
_NOT_NESTED = frozenset(  # empty, or ended by the next of its kind
    "area base br col dd dt embed hr img input li link meta option p source tbody td tfoot th".split()  # noqa: SIM905
) | {"thead", "tr", "wbr"}
_FOREIGN = frozenset({"math", "svg"})  # in which those nest, too
_SEEN = re.compile(r"[^\n]")


def orderly(html: str) -> str:
    """Return the HTML, of the same length, without anything that the parser cannot read."""
    return _PIECE.sub(_kept, html.replace(SIGN, " "))


def too_deep(html: str) -> tuple[int, int] | None:
    """Return the line and column of the first element that may be nested too deep.

    It counts rather more than a parser would nest: also what stands in comments, and what is closed in
    another order than it was opened.
    """
    opened: list[str] = []
    foreign = False
    for piece in _OPENED.finditer(html):
        name = piece["name"].lower()
        if piece["end"]:
            if name in opened:
                del opened[len(opened) - 1 - opened[::-1].index(name)]
        elif foreign or name not in _NOT_NESTED:
            foreign = foreign or name in _FOREIGN
            opened.append(name)
            if len(opened) > DEEPEST:
                start = piece.start()
                return html.count("\n", 0, start) + 1, start - html.rfind("\n", 0, start)
    return None


def _kept(piece: re.Match[str]) -> str:
    if piece["tag"]:
        return piece[0]
    if piece["unseen"]:
        return piece["unseen"] + _blank(piece["content"]) + piece["end"]
    return _blank(piece[0]) if piece["comment"] or piece["declaration"] else SIGN


def _blank(text: str) -> str:
    return _SEEN.sub(" ", text)
