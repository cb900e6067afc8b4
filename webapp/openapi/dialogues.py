"""What was said with a mail server, as programs get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core import reasons

if TYPE_CHECKING:
    from mailing.smtp.dialogue import Line
    from webapp.openapi.shapes.messages import DialogueLine


def line(it: Line) -> DialogueLine:
    """Return one thing that was said."""
    return {
        "ms": it.ms,
        "side": it.side,
        "stage": it.stage,
        "said": str(it.words),
        "reason_code": reasons.code(it.words),
    }
