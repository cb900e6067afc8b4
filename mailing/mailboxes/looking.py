"""One look at a mailbox: what is new is fetched in small batches, and recorded before it goes on.

``Take`` records a batch and where it ends in one transaction, so that nothing is lost or counted twice by a
crash: what was not committed is fetched again, and what was is never asked for again. Where that is not
enough, as a folder was made anew, or another process looked at the same moment, what a report says decides:
each is recorded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

from mailing.bounces.reading import READ_MOST
from mailing.core.reasons import Reason
from mailing.mailboxes import opening
from mailing.mailboxes.imap import RefusedError
from mailing.mailboxes.pop3 import Pop3
from mailing.mailboxes.store import Position

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.core.reasons import Words
    from mailing.mailboxes.imap import Imap
    from mailing.mailboxes.store import Mailbox

BATCH, BATCH_BYTES = 50, 4 * 1024 * 1024  # of one transaction
WINDOW, WINDOW_MOST = 1_000, 64_000  # UIDs whose sizes are asked for at once
FULL = 95  # percent, from which on a mailbox may soon take no more reports
log = structlog.get_logger(__name__)


class Keeper(Protocol):
    """Who records what is fetched."""

    def take(self, seen: Mailbox, raws: Sequence[bytes], position: Position) -> Mailbox:
        """Record messages, and up to where; return the mailbox as it is then."""

    def marked(self, seen: Mailbox) -> set[str]:
        """Return the unique ids of what is recorded (POP3)."""

    def unmark(self, seen: Mailbox, uidls: set[str]) -> None:
        """Forget unique ids that are there no more."""


def look(client: Imap | Pop3, seen: Mailbox, keeper: Keeper) -> tuple[Mailbox, Words]:
    """Fetch all that is new; return the mailbox as it is then, and what is to be done there all the same."""
    if isinstance(client, Pop3):
        return _look_pop3(client, seen, keeper), ""
    folder = opening.open_folder(client, seen)
    begun = seen.uid if folder.uidvalidity == seen.uidvalidity else 0
    if begun != seen.uid:
        log.warning("a folder was made again; all of it is looked at", mailbox=seen.name)
    if seen.removes:
        begun = 0  # also what was recorded, but not deleted there before a crash
    for batch in _batches(_new(client, begun, folder.next)):
        raws = _fetch(client, batch)
        done = max(batch[-1][0], begun, seen.uid if folder.uidvalidity == seen.uidvalidity else 0)
        seen = keeper.take(seen, [*raws.values()], Position(folder.uidvalidity, done))
        if seen.removes and raws:
            client.remove([*raws])
    full = client.fullness(seen.folder)
    return seen, Reason("mailbox.full", server=client.line.server.name, n=full) if full >= FULL else ""


def _new(client: Imap, after: int, following: int) -> Iterator[tuple[int, int]]:
    """Yield UID and bytes of each message behind a UID, in their order."""
    if not following:  # the server does not say where they end
        yield from client.sizes(after + 1, 0)
        return
    first, width = after + 1, WINDOW
    while first < following:
        last = min(first + width, following) - 1
        found = client.sizes(first, last)
        yield from found
        first, width = last + 1, WINDOW if found else min(2 * width, WINDOW_MOST)


def _batches(found: Iterator[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    batch: list[tuple[int, int]] = []
    size = 0
    for uid, each in found:
        kept = min(each, READ_MOST)
        if batch and (len(batch) == BATCH or size + kept > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((uid, each))
        size += kept
    if batch:
        yield batch


def _fetch(client: Imap, batch: Sequence[tuple[int, int]]) -> dict[int, bytes]:
    """Return the messages of a batch; of a large one what is read of it, its beginning.

    One that the server cannot hand over stays there, and does not keep back those behind it.
    """
    small = [uid for uid, size in batch if size <= READ_MOST]
    large = [uid for uid, size in batch if size > READ_MOST]
    found: dict[int, bytes] = {}
    for uids, most in ((small, None), *(([uid], READ_MOST) for uid in large)):
        if not uids:
            continue
        try:
            found |= client.fetch(uids, most)
        except RefusedError:
            for uid in uids:
                try:
                    found |= client.fetch([uid], most)
                except RefusedError as refused:
                    log.warning("a message cannot be fetched", uid=uid, reason=str(refused))
    return dict(sorted(found.items()))


def _look_pop3(client: Pop3, seen: Mailbox, keeper: Keeper) -> Mailbox:
    """Fetch what is new. What is deleted there is gone only once the session ends well."""
    there, known = client.there(), keeper.marked(seen)
    gone = known - {uidl for _number, uidl, _size in there}
    if gone:
        keeper.unmark(seen, gone)
    recorded, new = known.copy(), list[tuple[int, str, int]]()
    for number, uidl, size in there:
        if uidl not in known:
            known.add(uidl)
            new.append((number, uidl, size))
    for batch in _batches(iter([(place, size) for place, (_n, _uidl, size) in enumerate(new)])):
        some = [new[place] for place, _size in batch]
        raws = _retrieve(client, some)
        if raws:
            seen = keeper.take(seen, [*raws.values()], Position(uidls=[*raws]))
            recorded |= raws.keys()
    if seen.removes:
        for number, uidl, _size in there:
            if uidl in recorded:
                client.remove(number)
    client.end(well=True)
    return seen


def _retrieve(client: Pop3, some: Sequence[tuple[int, str, int]]) -> dict[str, bytes]:
    raws = {}
    for number, uidl, size in some:
        try:
            raws[uidl] = client.fetch(number, whole=size <= READ_MOST)
        except RefusedError as refused:
            log.warning("a message cannot be fetched", number=number, reason=str(refused))
    return raws
