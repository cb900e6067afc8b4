"""The ways in which a message is written. Pure."""

from __future__ import annotations

from enum import StrEnum


class Writing(StrEnum):
    """How the HTML of a message comes about.

    With ``plain`` there is none. ``source`` is a whole HTML document as it was written, ``mjml`` one that is
    made of MJML. ``markdown`` and ``visual`` are the body alone: Volley puts it into its frame.
    """

    PLAIN = "plain"
    VISUAL = "visual"
    MARKDOWN = "markdown"
    SOURCE = "source"
    MJML = "mjml"
