"""What a page's address asks for: numbers, a state, words to search for. Nonsense is a 400 that says so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from quart import abort, request
from werkzeug.routing import IntegerConverter

from mailing.core.bounds import LARGEST_ID, LONGEST_SEARCH
from mailing.core.states import RecipientAction
from mailing.smtp.replies import ReplyCode
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from enum import StrEnum

    from werkzeug.routing import Map

    State = TypeVar("State", bound=StrEnum)

REPLY = re.compile(r"([0-9]{1,3})(?:-([245]\.[0-9]{1,3}\.[0-9]{1,3}))?")
DECISION = "<any({}):verb>".format(", ".join(f'"{action}"' for action in RecipientAction))
"""What a person decides about recipients, as the end of a path."""


class Digits(IntegerConverter):
    """A number in a path, in the digits 0 to 9: those of other scripts would name the same page twice."""

    regex = "[0-9]+"


class Id(Digits):
    """A key in a path: ``<id:campaign_id>``. What no key can be is not found, whatever the method.

    No database counts up to nineteen digits.
    """

    regex = "[0-9]{1,18}"

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=LARGEST_ID)


CONVERTERS = {"id": Id, "int": Digits}
"""By the names that paths call them."""


def number(name: str) -> int | None:
    """Return the id called ``name`` in the query, or None if there is none."""
    text = request.args.get(name, "")
    if not text:
        return None
    if not is_id(text):
        abort(400, _("“%(name)s” must be a whole number (got %(text)s).", name=name, text=repr(text[:40])))
    return int(text)


def is_id(text: str) -> bool:
    """Whether ``text`` is a number that a key can be."""
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_ID))
    return digits and int(text) <= LARGEST_ID


def numbers(name: str, most: int) -> tuple[int, ...]:
    """Return at most ``most`` ids with dots between them."""
    parts = [part for part in request.args.get(name, "").split(".") if part]
    if len(parts) > most or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):  # noqa: PLR2004
        abort(400, _("“%(name)s” must be at most %(most)s numbers separated by dots.", name=name, most=most))
    return tuple(map(int, parts))


def state(kind: type[State]) -> State | None:
    """Return the state that is asked for, or None for all."""
    name = request.args.get("state", "")
    if name and name not in set(kind):
        known = ", ".join(kind)
        abort(
            400,
            _("Unknown state %(name)s. Use one of: %(known)s.", name=repr(name[:40]), known=known),
        )
    return kind(name) if name else None


def search() -> str:
    """Return the words to search for, which may be none."""
    return words(request.args.get("q", ""))


def words(text: str) -> str:
    """Return what is searched for with ``text``."""
    return text.replace("\0", "").strip()[:LONGEST_SEARCH]


def spell(reply: ReplyCode) -> str:
    """Return ``550-5.1.1``, or ``421`` without an enhanced code, or ``0`` where no answer came."""
    return f"{reply.code}-{reply.enhanced}" if reply.enhanced else str(reply.code)


def reply(text: str) -> ReplyCode | None:
    """Return the reply that ``spell`` wrote as ``text``; None if it is empty."""
    if not text:
        return None
    found = read_reply(text)
    if found is None:
        abort(400, _("“reply” must look like 550-5.1.1 (got %(text)s).", text=repr(text[:40])))
    return found


def read_reply(text: str) -> ReplyCode | None:
    """Return the reply that ``spell`` wrote as ``text``; None if it wrote no such text."""
    found = REPLY.fullmatch(text)
    return ReplyCode(int(found[1]), found[2] or "") if found else None
