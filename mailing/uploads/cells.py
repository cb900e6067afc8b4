"""Cells become the values of merge fields, and text to be shown; what cannot be read says why. Pure."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import Any

import orjson

from mailing.core.reasons import Reason, ReasonError
from mailing.messages.values import Value, printed

_WHOLE = 2.0**53  # numbers of a workbook are floats: they are exact up to here


class UnreadableError(ReasonError):
    """A file is no list that can be read; the reason says why, and what to do."""


class FaultyRow(list[str]):
    """A row that cannot be read: its one cell is the text of it, as far as that goes."""

    __slots__ = ("reason",)

    def __init__(self, text: str, reason: Reason) -> None:
        super().__init__((text,))
        self.reason = reason


def value(cell: object) -> Value:
    """Return a cell as the value of a merge field; nothing is an empty text.

    A whole number of a workbook is one again, a date is text by ISO 8601, and what JSON nests stays JSON.
    """
    if isinstance(cell, str | bool | int):
        return cell
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) <= _WHOLE else cell
    if cell is None:
        return ""
    if isinstance(cell, dt.datetime):
        midnight = cell.time() == dt.time()
        return (cell.date() if midnight else cell.replace(microsecond=0)).isoformat()
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return nested(cell) if isinstance(cell, dict | list) else str(cell)


def text(cell: object) -> str:
    """Return a cell as it is shown."""
    return cell if isinstance(cell, str) else printed(value(cell))


def nested(given: Any) -> str:
    """Return a list or an object as JSON."""
    return orjson.dumps(given).decode()


def composed(given: str) -> str:
    """Return a text in Unicode's composed form (NFC): Windows-1258 writes marks behind their letters."""
    return given if given.isascii() else unicodedata.normalize("NFC", given)
