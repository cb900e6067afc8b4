"""Dates and numbers as people of a language write them: ``{{ day|date("d MMMM yyyy", "vi") }}``.

Pure. A value that is no date, or no number, prints as it is: "next Tuesday" is right where it stands. Only a
format or a language that there is not is refused, when the message is read.
"""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, get_date_format

FORMATS = ("short", "medium", "long", "full")
DECIMALS_MAX = 10
PATTERN_MAX = 60  # characters
GROWTH = 40  # a date is at most so many times longer than what it is made of
_LONGEST = 40  # characters of a date or a number
_ENGLISH = "en"
_ISO = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?"
)
_WRITTEN = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?: (\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_NUMBER = re.compile(r"[+-]?\d{1,30}(?:\.\d{1,30})?")


def date(value: Any, pattern: str = "long", locale: str = _ENGLISH) -> Any:
    """Return a date in a format by name, or in a pattern of Unicode's (UTS 35: ``d MMMM yyyy, HH:mm``).

    It is read from ISO 8601, ``2026-11-26`` or ``2026-11-26T09:30``; or from ``26/11/2026``, in the order
    of the language.
    """
    if not isinstance(value, str) or len(value) > _LONGEST:
        return value
    try:
        return _dated(value.strip(), str(pattern), _known(locale) or _ENGLISH) or value
    except (ValueError, KeyError, AttributeError):  # as Babel says of a pattern that there is not
        return value


def number(value: Any, locale: str = _ENGLISH, decimals: int | None = None) -> Any:
    """Return a number with the separators of a language, and with as many ``decimals`` if they are given."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
            return value
        amount = Decimal(text)
    elif isinstance(value, int | float) and str(value) not in {"true", "false"}:
        amount = Decimal(str(value))
    else:
        return value
    places = decimals if isinstance(decimals, int) and 0 <= decimals <= DECIMALS_MAX else None
    return _numbered(amount, _known(locale) or _ENGLISH, places)


def fits_date(pattern: object = "long", locale: object = _ENGLISH) -> bool:
    """Whether there is such a format, and such a language."""
    if not isinstance(pattern, str) or not 0 < len(pattern) <= PATTERN_MAX or not _known(locale):
        return False
    try:
        return bool(_dated("2026-11-26", pattern, _known(locale)))
    except (ValueError, KeyError, AttributeError):
        return False


def fits_number(locale: object = _ENGLISH, decimals: object = None) -> bool:
    """Whether there is such a language, and a number may have so many decimals."""
    places = decimals is None or (type(decimals) is int and 0 <= decimals <= DECIMALS_MAX)
    return places and bool(_known(locale))


@lru_cache(maxsize=64)
def _found(name: str) -> Locale | None:
    try:
        return Locale.parse(name.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return None


def _known(name: object) -> str:
    """Return a language as Babel writes it, or nothing for one that there is not."""
    found = _found(str(name)) if isinstance(name, str) and 2 <= len(name) <= _LONGEST else None  # noqa: PLR2004
    return str(found) if found else ""


@lru_cache(maxsize=4_096)
def _dated(text: str, pattern: str, locale: str) -> str:
    moment = _moment(text, locale)
    if not moment or len(pattern) > PATTERN_MAX:
        return ""
    if pattern in FORMATS:
        return format_date(moment, pattern, locale)
    return format_datetime(moment, pattern, locale=locale)


def _moment(text: str, locale: str) -> datetime | None:
    if iso := _ISO.fullmatch(text):
        year, month, day, *time = iso.groups()
    elif written := _WRITTEN.fullmatch(text):
        first, _, later, year, *time = written.groups()
        short = get_date_format("short", locale).pattern.lower()
        day, month = (first, later) if short.find("d") < short.find("m") else (later, first)
    else:
        return None
    hour, minute, second = (int(each or 0) for each in time)
    try:
        return datetime(int(year), int(month), int(day), hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _numbered(amount: Decimal, locale: str, decimals: int | None) -> str:
    found = _found(locale)
    assert found is not None
    pattern = copy.copy(found.decimal_formats[None])
    if decimals is not None:
        pattern.frac_prec = (decimals, decimals)
    return str(pattern.apply(amount, found, decimal_quantization=decimals is not None))
