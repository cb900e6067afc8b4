"""What the tests of the SMTP session share."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

from mailing.core.states import AttemptResult
from mailing.smtp.session import Mail, Session, Timeouts
from tests.support.smtp_server import EXTENSIONS, FakeServer

SENT, DEFERRED, FAILED = AttemptResult.SENT, AttemptResult.DEFERRED, AttemptResult.FAILED
UNKNOWN, RETURNED = AttemptResult.UNKNOWN, AttemptResult.RETURNED
PLAIN = tuple(extension for extension in EXTENSIONS if extension != "PIPELINING")
PATIENT = Timeouts(30, 30, 30, 30, 30)
HASTE_S = 0.5


def mail(number: int = 1, data: bytes = b"Subject: hi\r\n\r\nhello\r\n", **changes) -> Mail:
    return Mail(
        **{"sender": "from@example.org", "recipient": f"to{number}@example.net", "data": data, **changes}
    )


def hasty(*steps: str) -> Timeouts:
    """Patient but at those steps where the server hangs: a busy machine must not give up at another one."""
    return replace(PATIENT, **dict.fromkeys(steps, HASTE_S))


@asynccontextmanager
async def opened(server: FakeServer, timeouts: Timeouts = PATIENT, **settings):
    session = await Session.open(server.sender(**settings), timeouts)
    try:
        yield session
    finally:
        session.abort()


async def deliver_all(session: Session, mails: list[Mail]):
    """Deliver as the engine does: the next mail is always known."""
    nexts = [*mails[1:], None]
    return [await session.deliver(one, following) for one, following in zip(mails, nexts, strict=True)]


async def until(condition):
    """Let the event loop run until ``condition`` holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)
