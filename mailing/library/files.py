"""The files of messages: attachments and images. Each content is stored once, whoever uses it.

All functions take an open connection; those that write belong to the transaction of their caller. A file that
no campaign uses is kept for a day, for whoever is about to use it, and then removed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, UnfitError
from mailing.library import kinds
from mailing.library.kinds import IMAGES
from mailing.library.tables import campaign_files, files
from mailing.messages import attachments
from mailing.messages.attachments import Attachment, cid_of, clean_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

FILE_MAX = 10_000_000  # bytes
FILES_MAX = 20_000_000  # bytes of the files of one message together
MOST = 20  # files of one message
UNUSED_MS = 24 * 3_600_000
_HEAD_MAX = 2_000  # bytes of what stands above an encoded file
_FRESH_MS = UNUSED_MS // 2  # a file that is kept again gets a new time only if its time is older than this


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file that is stored: its media type, its size in bytes, and its name as recipients see it.

    Within a campaign an image has a ``cid``: HTML shows it as ``<img src="cid:…">``, and where it does not,
    the image is attached as any other file is.
    """

    id: int
    type: str
    size: int
    name: str = ""
    cid: str = ""

    @property
    def image(self) -> bool:
        """Whether HTML can show it."""
        return self.type in IMAGES


def judge(name: str, data: bytes, *, image: bool = False) -> tuple[str, str]:
    """Return the clean name and the media type of a file. Raises ``UnfitError`` for one that cannot be sent.

    ``image``: it must be one that HTML can show.
    """
    name = clean_name(name)
    if not data:
        raise UnfitError(Reason("file.empty", name=name))
    if len(data) > FILE_MAX:
        raise UnfitError(Reason("file.too-large", name=name, most=_megabytes(FILE_MAX)))
    kind = kinds.kind_of(data, name)
    if kind == kinds.SVG:
        raise UnfitError(Reason("file.svg", name=name))
    if image and kind not in IMAGES:
        raise UnfitError(Reason("file.no-image", name=name))
    if not kinds.is_as_named(kind, name):
        raise UnfitError(Reason("file.not-as-named", name=name, kind=kind))
    return name, kind


def keep(connection: Connection, name: str, data: bytes, *, image: bool = False) -> FileRef:
    """Store a file, if its content is not there yet. Raises ``UnfitError`` as ``judge`` does."""
    name, kind = judge(name, data, image=image)
    digest, now = hashlib.sha256(data).hexdigest(), now_ms()
    same = (files.c.sha256 == digest, files.c.type == kind)
    found = select(files.c.id, files.c.created_at).where(*same).with_for_update(read=True, key_share=True)
    row = connection.execute(found).first()
    if row is None:
        values = {"sha256": digest, "type": kind, "size": len(data), "data": data, "created_at": now}
        try:
            with connection.begin_nested():
                file_id = connection.execute(insert(files).values(values).returning(files.c.id)).scalar_one()
        except IntegrityError:  # somebody else has just stored it
            file_id = connection.execute(found).scalar_one()
    else:
        file_id = row.id
        if row.created_at < now - _FRESH_MS:
            connection.execute(update(files).where(files.c.id == file_id).values(created_at=now))
    return FileRef(file_id, kind, len(data), name)


def set_for(connection: Connection, campaign_id: int, refs: Iterable[FileRef]) -> tuple[FileRef, ...]:
    """Let a campaign have these files, in this order, and no others; return them with their cids.

    Raises ``UnfitError`` if they are too many or too large together, or one is not there any more.
    """
    chosen = {(ref.id, ref.name): ref for ref in refs}
    held = with_cids(chosen.values())
    if len(held) > MOST:
        raise UnfitError(Reason("file.too-many", most=MOST))
    if (size := sum(ref.size for ref in held)) > FILES_MAX:
        raise UnfitError(Reason("file.too-much", size=_megabytes(size), most=_megabytes(FILES_MAX)))
    ids = {ref.id for ref in held}
    there = select(files.c.id).where(files.c.id.in_(ids)).with_for_update(read=True, key_share=True)
    if len(connection.execute(there).all()) < len(ids):
        raise UnfitError(Reason("file.gone"))
    connection.execute(delete(campaign_files).where(campaign_files.c.campaign_id == campaign_id))
    if held:
        connection.execute(
            insert(campaign_files),
            [
                {
                    "campaign_id": campaign_id,
                    "position": position,
                    "file_id": ref.id,
                    "name": ref.name,
                    "cid": ref.cid,
                }
                for position, ref in enumerate(held)
            ],
        )
    return held


def with_cids(refs: Iterable[FileRef]) -> tuple[FileRef, ...]:
    """Return files with a cid for each image: the one that it has, or one of its own made of its name."""
    refs = tuple(refs)
    taken = {ref.cid.lower() for ref in refs if ref.cid}
    held: list[FileRef] = []
    for ref in refs:
        if not ref.image or ref.cid:
            held.append(ref)
            continue
        stem, dot, end = cid_of(ref.name).rpartition(".")
        tries = (f"{stem}{f'-{n}' if n > 1 else ''}{dot}{end}" for n in range(1, len(refs) + 2))
        cid = next(cid for cid in tries if cid.lower() not in taken)
        taken.add(cid.lower())
        held.append(replace(ref, cid=cid))
    return tuple(held)


def encoded_size(refs: Iterable[FileRef]) -> int:
    """Return how many bytes of a message these files take at most, as they are encoded."""
    return sum(attachments.encoded_size(ref.size) + _HEAD_MAX for ref in refs)


def listed(connection: Connection, campaign_id: int) -> tuple[FileRef, ...]:
    """Return the files of a campaign in their order, without their bytes."""
    used = campaign_files.c
    rows = connection.execute(
        select(files.c.id, files.c.type, files.c.size, used.name, used.cid)
        .join(campaign_files, used.file_id == files.c.id)
        .where(used.campaign_id == campaign_id)
        .order_by(used.position)
    )
    return tuple(FileRef(*row) for row in rows)


def of_campaign(connection: Connection, campaign_id: int) -> tuple[Attachment, ...]:
    """Return the files of a campaign in their order, with their bytes: up to 20 MB."""
    return read(connection, listed(connection, campaign_id))


def read(connection: Connection, refs: Sequence[FileRef]) -> tuple[Attachment, ...]:
    """Return these files with their bytes. One that is not there any more is left out."""
    if not refs:
        return ()
    wanted = select(files.c.id, files.c.data).where(files.c.id.in_({ref.id for ref in refs}))
    data: dict[int, bytes] = {row.id: row.data for row in connection.execute(wanted)}
    return tuple(Attachment(ref.name, ref.type, data[ref.id], ref.cid) for ref in refs if ref.id in data)


def get(connection: Connection, file_id: int) -> Attachment | None:
    """Return one file, without a name of its own."""
    row = connection.execute(select(files.c.type, files.c.data).where(files.c.id == file_id)).first()
    return Attachment(f"{file_id}", row.type, row.data) if row else None


def remove_unused(connection: Connection, rows: int) -> int:
    """Remove up to ``rows`` files that no campaign uses and nobody has just kept; return how many."""
    unused = ~exists().where(campaign_files.c.file_id == files.c.id)
    old = files.c.created_at < now_ms() - UNUSED_MS
    found = select(files.c.id).where(old, unused).limit(rows).with_for_update(skip_locked=True)
    ids = connection.execute(found).scalars().all()
    # Looked at again: until it was locked, somebody may have begun to use it.
    gone = connection.execute(delete(files).where(files.c.id.in_(ids), unused)) if ids else None
    return gone.rowcount if gone else 0


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f}".removesuffix(".0") + " MB"
