"""The machine's part of a report about delivery: blocks of fields (RFC 3464 section 2, RFC 6533). Pure.

The first block is about the message, each other about one recipient. Real ones leave out the empty line
between them, or put several: so whatever names a recipient begins one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailing.foreign import headers
from mailing.foreign import text as foreign_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.reasons import Reason

BLOCKS_MOST = 100
FIELD_MOST = 4_000  # characters of a field
_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_WITHIN = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_GENERIC = re.compile(r"[45]\.0\.0|")
_ADDRESS = re.compile(r"[^\s<>;,:\"()\[\]]+@[^\s<>;,:\"()\[\]]+")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_LARGEST, _SURROGATES = 0x10FFFF, range(0xD800, 0xE000)
_TYPE_MOST = 20  # characters of a type


@dataclass(frozen=True, slots=True)
class Block:
    """What a report says of one recipient. Each text is empty where it is not said."""

    final: str = ""
    original: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    remote: str = ""


@dataclass(slots=True)
class DeliveryStatus:
    """A whole report. ``envelope_id`` is the sender's own (RFC 3461)."""

    reporter: str = ""
    envelope_id: str = ""
    blocks: Sequence[Block] = field(default_factory=list)


def read(body: bytes) -> DeliveryStatus:
    """Read the body of a ``message/delivery-status`` or ``message/global-delivery-status``."""
    found = DeliveryStatus()
    blocks: list[dict[str, str]] = []
    for group in _groups(body):
        if (reporter := group.get("reporting-mta")) and not found.reporter:
            found.reporter = typed(reporter)
        found.envelope_id = found.envelope_id or group.get("original-envelope-id", "")
        if any(it in group for it in ("final-recipient", "original-recipient", "action", "status")):
            blocks.append(group)
    found.blocks = [_block(it) for it in blocks[:BLOCKS_MOST]]
    return found


def typed(value: str) -> str:
    """Return what stands behind a type, as in ``dns; mx.example`` or ``rfc822;ann@x.example``."""
    kind, semicolon, rest = value.partition(";")
    return (rest if semicolon and len(kind) < _TYPE_MOST else value).strip()


def address(value: str) -> str:
    r"""Return the address in a recipient field; empty if there is none.

    RFC 6533 section 3 writes what is not ASCII as ``\x{1F600}``.
    """
    text = _ESCAPED.sub(_unescape, typed(value))
    match = _ADDRESS.search(text)
    return match[0].strip(".'") if match else ""


def _unescape(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if number <= _LARGEST and number not in _SURROGATES else match[0]


def _groups(body: bytes) -> list[dict[str, str]]:
    """Return the blocks; a name that comes again where no empty line is begins another."""
    text, notes = foreign_text.decode(body, "utf-8", _forget), headers.FIELDS_MOST
    groups: list[dict[str, str]] = [{}]
    name = ""
    for line in text.split("\n")[: notes * 10]:
        if not line.strip():
            name = ""
            if groups[-1]:
                groups.append({})
        elif line[0] in " \t" and name:
            groups[-1][name] = f"{groups[-1][name]}\n{line.strip()}"[:FIELD_MOST]
        else:
            name, colon, value = line.partition(":")
            name = name.strip().lower() if colon else ""
            if not name:
                continue
            if name in groups[-1] and name == "final-recipient":
                groups.append({})
            groups[-1].setdefault(name, value.strip()[:FIELD_MOST])
        if len(groups) > BLOCKS_MOST + 1:
            break
    return groups


def _block(group: dict[str, str]) -> Block:
    status = _STATUS.search(group.get("status", ""))
    diagnostic = typed(group.get("diagnostic-code", "" if status else group.get("status", "")))
    code = status[1] if status else ""
    if _GENERIC.fullmatch(code) and (better := _WITHIN.search(diagnostic)):
        code = better[1]
    return Block(
        address(group.get("final-recipient", "")),
        address(group.get("original-recipient", "")),
        _action(group.get("action", "")),
        code,
        diagnostic,
        typed(group.get("remote-mta", "")),
    )


def _action(value: str) -> str:
    """Return an action; ``failed`` also where it is called failure or fail."""
    action = value.partition("(")[0].strip().lower()
    return "failed" if action.startswith("fail") else action


def _forget(_fault: Reason) -> None:
    """Nobody asks what is wrong with a report's own characters."""
