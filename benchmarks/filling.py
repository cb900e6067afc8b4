"""Rows: what it costs to fill a message for one recipient, in CPU time of one core."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.figures import Bar, Figure
from benchmarks.messages import FROM, address
from mailing.messages import compose
from mailing.messages.attachments import Attachment
from mailing.messages.compose import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.site import Site

EACH, ROUNDS = 2_000, 9
UNIT = "µs/email"
FIELDS = ("city", "company", "plan", "due", "amount")
_LINE = "This is a line of a newsletter that is as long as such lines usually are.\n"
_USES = "".join(f"Your {field} is {{{{ {field} }}}}.\n" for field in FIELDS)
TEXT = f"Dear {{{{ name }}}},\n{_LINE * 20}{_USES}{_LINE * 20}"
HTML = "<p>Dear {{ name }},</p>" + f"<p>{_LINE}</p>" * 42 + f"<p>{_USES}</p>" + f"<p>{_LINE}</p>" * 42
MESSAGE = Message(FROM, "News for {{ name }} in {{ city }}", TEXT, HTML)
FILE = Attachment("report.pdf", "application/pdf", b"%PDF-1.7" + bytes(range(250)) * 4_000)


def filling(_site: Site) -> Iterator[Figure]:
    """Fill a message of 10 KB with five fields, without and with a file of 1 MB."""
    size = len(TEXT) + len(HTML)
    how = f"{size:,} bytes of text and HTML, {len(FIELDS)} fields"
    yield Figure("filling a message", _each_us(MESSAGE), UNIT, how, Bar(50, at_most=True))
    with_file = Message(MESSAGE.sender_from, MESSAGE.subject, TEXT, HTML, (FILE,))
    how = f"the same with a file of {len(FILE.data):,} bytes, which all share"
    yield Figure("filling with a file", _each_us(with_file), UNIT, how, Bar(50, at_most=True))


def _each_us(message: Message) -> float:
    """Return the CPU time of one recipient in the quickest of some rounds: others disturb the rest."""
    prepared = compose.prepare(message, token="0123456789abcdef" * 2, domain=None)
    people = [
        (number, address(number), f"User {number}", {field: f"{field} {number}" for field in FIELDS})
        for number in range(EACH)
    ]
    took = []
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        for number, email, name, fields in people:
            prepared.fill(number, email, name, fields, number)
        took.append(time.process_time_ns() - begun)
    return min(took) / EACH / 1000
