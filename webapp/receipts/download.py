"""The file of a receipt: read in one go, put into a file without a name, and sent from there.

So the one transaction lasts as long as the reading, however slowly a browser takes the file, and memory stays
flat. What cannot be read to its end is cut off: without the signed last line it is no receipt.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from typing import TYPE_CHECKING

import structlog
from quart import Response

from mailing.campaigns import queries as campaigns
from mailing.core.reasons import Reason, ReasonError
from mailing.receipts import document
from tasks.commands.accounts import keys as commands
from webapp.http.services import services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from mailing.core.database import Database
    from mailing.receipts.keys import ReceiptKey

MOST = 2  # that are written at once: each has one of the threads and connections of all
MOST_FILES = 8  # that are there at once: who reads slowly holds one
RETRY_S = 60
REST = 0.5  # how long the reading pauses after each block, as a part of the time that the block took
PIECE = 256 * 1024  # bytes that are sent at once
log = structlog.get_logger(__name__)


class BusyError(ReasonError):
    """Too many receipts are being written."""


class _Spool:
    """A receipt on its way: a thread writes it, and the event loop reads behind it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - ``close`` closes it
        self._loop = asyncio.get_running_loop()
        self._grown = asyncio.Event()
        self._left = False  # nobody reads any more
        self.filling = True

    def fill(self, db: Database, campaign_id: int, key: ReceiptKey) -> None:
        """Write all of it. Blocks."""
        try:
            with db.snapshot() as connection:
                begun = time.monotonic()
                for block in document.blocks(connection, campaign_id, key):
                    self._write(block)
                    if self._left:
                        return
                    self._loop.call_soon_threadsafe(self._grown.set)
                    time.sleep(REST * (time.monotonic() - begun))  # pages come first
                    begun = time.monotonic()
        finally:
            self.filling = False

    async def read(self, filling: asyncio.Task[None]) -> AsyncIterator[bytes]:
        """Yield it as it is written. Raises what went wrong with that."""
        filling.add_done_callback(lambda _: self._grown.set())
        sent = 0
        while True:
            self._grown.clear()
            over = filling.done()
            while piece := await asyncio.to_thread(os.pread, self._file.fileno(), PIECE, sent):
                yield piece
                sent += len(piece)
            if over:
                await filling
                return
            await self._grown.wait()

    async def close(self, filling: asyncio.Task[None]) -> None:
        """Let the file go, once nobody writes into it."""
        self._left = True
        await asyncio.wait([filling])
        self._file.close()

    def _write(self, block: bytes) -> None:
        written = 0
        while written < len(block):  # a file without a buffer may take less than it is given
            written += self._file.write(block[written:])


_spools: set[_Spool] = set()


async def answer(campaign_id: int) -> Response:
    """Answer with the receipt of a campaign. Raises ``NotOverError``, ``BusyError``."""
    svc = services()
    await svc.read(_ready, campaign_id)
    if sum(it.filling for it in _spools) >= MOST or len(_spools) >= MOST_FILES:
        raise BusyError(Reason("receipt.busy"))
    key = await svc.do(commands.receipt_key, svc.settings.secret_key)

    async def lines() -> AsyncIterator[bytes]:
        spool = _Spool()
        _spools.add(spool)
        filling = asyncio.create_task(asyncio.to_thread(spool.fill, svc.db, campaign_id, key))
        try:
            async for piece in spool.read(filling):
                yield piece
        except Exception:
            log.exception("a receipt was cut off", campaign=campaign_id)
            raise
        finally:
            _spools.discard(spool)
            await spool.close(filling)

    name = document.file_name(campaign_id)
    headers = {"Content-Type": "application/jsonl", "Content-Disposition": f'attachment; filename="{name}"'}
    response = Response(lines(), headers=headers)
    response.timeout = None
    return response


def _ready(connection: Connection, campaign_id: int) -> None:
    document.ready(campaigns.get(connection, campaign_id), campaign_id)
