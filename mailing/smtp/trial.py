"""One mail sent at once, over a connection of its own, with all that is said written down."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.smtp.session import Session, SmtpError, Timeouts

if TYPE_CHECKING:
    from mailing.core.reasons import Words
    from mailing.smtp.account import Sender
    from mailing.smtp.dialogue import Dialogue
    from mailing.smtp.envelope import Mail

PATIENCE_S = 60.0
TIMEOUTS = Timeouts(connect=15, greeting=20, command=20, data=30, dot=45)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether the server accepted the mail. ``words`` are its reply, or why there is none."""

    accepted: bool
    words: Words


async def carry(sender: Sender, mail: Mail, dialogue: Dialogue) -> Outcome:
    """Send a mail and return how it fared, within ``PATIENCE_S``. Never raises."""
    session: Session | None = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            session = await Session.open(sender, TIMEOUTS, dialogue=dialogue)
            delivery = await session.deliver(mail)
            await session.close()
    except SmtpError as error:
        return Outcome(accepted=False, words=error.reason)
    except TimeoutError:
        return Outcome(False, Reason("letter.too-slow", server=sender.server, seconds=round(PATIENCE_S)))
    finally:
        if session is not None and session.usable:
            session.abort()
    return Outcome(delivery.verdict.result is AttemptResult.SENT, delivery.words)
