"""What is heard of one mail after the other on a connection, to be told of those that are not sent.

On the fast path it costs a few times and references: the dialogue is made of them only where one is wanted.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from mailing.smtp.dialogue import Dialogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.reasons import Words
    from mailing.smtp.account import Sender
    from mailing.smtp.dialogue import Heard, Line
    from mailing.smtp.replies import Reply, Stage


class Hearing:
    """The ear of one session. ``opening`` is the dialogue up to its first mail, for that one's."""

    def __init__(self, sender: Sender, opening: Dialogue | None) -> None:
        self.server = sender.server
        self._sender = sender
        self._opening = opening
        self._heard: list[Heard] = []
        self._ahead: Heard | None = None

    def begin(self) -> None:
        """Listen to another mail."""
        self._heard = []

    def hear(self, what: bytes | int | Reply | Words, at: float = 0.0) -> None:
        """Note commands, the bytes of a message that ended, a reply, or what else happened, now or ``at``."""
        self._heard.append((at or monotonic(), what))

    def hear_ahead(self, commands: bytes) -> None:
        """Note the envelope of the mail after this one."""
        self._ahead = monotonic(), commands

    def take_ahead(self) -> None:
        """Count the envelope that went ahead to this mail."""
        if self._ahead:
            self._heard.append(self._ahead)
            self._ahead = None

    def forget(self) -> None:
        """Forget the envelope that went ahead, and its replies: another mail's."""
        self._heard.clear()
        self._ahead = None

    def end(self) -> None:
        """Note that the mail has its outcome."""
        self._opening = None

    def told(self, stage: Stage, begun: float) -> Sequence[Line]:
        """Return the dialogue of a mail that ``begun`` (monotonic s) and ended at a ``stage`` unsent."""
        dialogue = self._opening or Dialogue(self._sender, self._heard[0][0] if self._heard else begun)
        dialogue.retell(stage, self._heard)
        return tuple(dialogue.lines)
