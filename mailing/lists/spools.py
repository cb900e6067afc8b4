"""A spool: recipients on their way into a campaign, kept in a file without a name.

They can be read again and again, by several at once, each time in their order and in the memory of one block:
so a long list needs no more of it than a short one, and no transaction stays open while it is stored.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING

import orjson

from mailing.addresses.findings import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK = 1_000  # recipients that are read at a time


class Spool(Collection[Entry]):
    """Recipients in the order in which they came. Whoever makes it closes it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - ``close`` closes it
        self._blocks: list[int] = [0]  # where each begins, and at last where the file ends
        self._n = 0

    def fill(self, found: Iterable[Entry]) -> None:
        """Take recipients, behind those that are there."""
        given = iter(found)
        while some := list(islice(given, BLOCK)):
            data = orjson.dumps([(it.line, it.email, it.name, it.fields) for it in some])
            written = 0
            while written < len(data):  # a file without a buffer may take less than it is given
                written += self._file.write(data[written:])
            self._blocks.append(self._blocks[-1] + len(data))
            self._n += len(some)

    def __len__(self) -> int:
        """Return how many there are."""
        return self._n

    def __iter__(self) -> Iterator[Entry]:
        """Yield them, those that are there at the time."""
        number = 1
        while number < len(self._blocks):
            begin, end = self._blocks[number - 1], self._blocks[number]
            for line, email, name, fields in orjson.loads(os.pread(self._file.fileno(), end - begin, begin)):
                yield Entry(line, email, name, fields)
            number += 1

    def __contains__(self, one: object) -> bool:
        """Look through all of them."""
        return any(it == one for it in self)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()
