"""A receipt is checked, line by line and without a database: what it says, or which line is wrong and how.

Whoever can write a file can write anything into it. So a receipt proves only what its key's owner says: with
the key that the installation shows, that it is unchanged; without it, that it is whole in itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import orjson

from mailing.core.reasons import Reason, ReasonError
from mailing.core.states import RecipientState
from mailing.receipts import chain
from mailing.receipts.chain import FORMAT, Chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailing.receipts.chain import Link

LINE_MOST = 16 * 1024 * 1024  # bytes; no recipient has so many attempts


class SpoiledError(ReasonError):
    """A file is no receipt of this key as it was made. ``line`` is the first that is wrong, from 1."""

    def __init__(self, code: str, line: int, **values: str | int) -> None:
        super().__init__(Reason(code, n=line, **values))
        self.line = line


@dataclass(frozen=True, slots=True)
class Verified:
    """What a receipt says that is whole. ``campaign`` is as ``document`` writes it."""

    campaign: Mapping[str, Any]
    made_at: str
    ledger: Mapping[RecipientState, int]
    recipients: int
    attempts: int
    lines: int
    public_key: str


def verify(file: IO[bytes], known_key: str | None = None) -> Verified:
    """Check a receipt, and that its key is the known one. Raises ``SpoiledError``, and the file's errors."""
    walk = _Walk(file)
    head = walk.head()
    public_key = str(head.get("public_key"))
    if known_key is not None and public_key != known_key.strip().lower():
        raise SpoiledError("receipt.other-key", 1, key=public_key)
    counted, tried, link = walk.people()
    if not chain.signed_by(link, public_key):
        raise SpoiledError("receipt.unsigned", walk.lines)
    end = {"recipients": sum(counted.values()), "attempts": tried, "ledger": _in_order(counted)}
    said = {name: head.get(name) for name in ("recipients", "ledger")}
    if walk.member(link, "end") != end or said != {name: end[name] for name in said}:
        raise SpoiledError("receipt.unequal", walk.lines)
    walk.nothing_more()
    return Verified(
        head["campaign"],
        str(head.get("made_at")),
        {state: counted[state] for state in RecipientState},
        sum(counted.values()),
        tried,
        walk.lines,
        public_key,
    )


class _Walk:
    """The lines of one file, from the first to the last."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._chain = Chain()

    @property
    def lines(self) -> int:
        """How many were read."""
        return self._chain.lines

    def head(self) -> Mapping[str, Any]:
        """Return what the first line says."""
        line = self._file.readline(LINE_MOST)
        link = chain.read(line)
        if link is None or not link.content.startswith(b'{"n":1,"receipt":'):
            raise SpoiledError("receipt.none" if line else "receipt.empty", 1)
        self._check(link)
        head = self.member(link, "receipt")
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise SpoiledError("receipt.format", 1)
        if not isinstance(head.get("campaign"), dict):
            raise SpoiledError("receipt.malformed", 1)
        return head

    def people(self) -> tuple[Counter[str], int, Link]:
        """Return how many recipients are in each state, how many attempts there were, and the last line."""
        counted, tried, last_id = Counter[str](), 0, 0
        for link in self._links():
            if link.signature:
                return counted, tried, link
            one = self.member(link, "recipient")
            try:
                id_, state, made = one["id"], RecipientState(one["state"]), len(one["attempts"])
            except (KeyError, TypeError, ValueError):
                raise SpoiledError("receipt.malformed", self.lines) from None
            if not isinstance(id_, int) or id_ <= last_id:
                raise SpoiledError("receipt.twice", self.lines)
            counted[state.value] += 1
            tried += made
            last_id = id_
        raise SpoiledError("receipt.cut", self.lines + 1)

    def nothing_more(self) -> None:
        """Check that the file ends behind the last line."""
        if self._file.read(1):
            raise SpoiledError("receipt.added", self.lines + 1)

    def member(self, link: Link, name: str) -> Any:
        """Return the one member of a line beside its number."""
        try:
            said = orjson.loads(link.content + b"}")
        except ValueError:
            said = {}
        if not isinstance(said, dict) or said.keys() != {"n", name}:
            raise SpoiledError("receipt.malformed", self.lines)
        return said[name]

    def _links(self) -> Iterator[Link]:
        while line := self._file.readline(LINE_MOST):
            link = chain.read(line)
            if link is None:
                whole = line.endswith(b"\n")
                raise SpoiledError("receipt.changed" if whole else "receipt.broken", self.lines + 1)
            self._check(link)
            yield link

    def _check(self, link: Link) -> None:
        if self._chain.fits(link):
            return
        at = self.lines
        if link.number == at:
            raise SpoiledError("receipt.changed", at)
        raise SpoiledError("receipt.missing" if link.number > at else "receipt.again", at, number=link.number)


def _in_order(counted: Mapping[str, int]) -> Mapping[str, int]:
    return {state.value: counted.get(state.value, 0) for state in RecipientState}
