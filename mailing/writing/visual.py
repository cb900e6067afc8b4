"""The HTML of a visual editor becomes that of a body. Pure."""

from __future__ import annotations

import re
from html import unescape

from mailing.writing import masks

_MARK = re.compile(r"\{\{[^{}<>]*+\}\}|\{%[^{}<>%]*+%\}")


def as_typed(source: str) -> str:
    """Return the HTML with each mark as a person typed it: an editor writes ``&lt;`` in it, too."""
    return _MARK.sub(lambda mark: unescape(mark[0]).replace("\u00a0", " "), source)


def body(source: str) -> str:
    """Return the HTML of a body whose marks are ``as_typed``. Raises ``ComposeError``."""
    masked = masks.mask("html", source)
    return masked.unmask(masks.alone(masked, masked.text))
