"""How long a server asks to wait, read from the words of its reply. Pure: the time now is an argument."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_S = 24 * 3600
"""The longest wait that is taken from a reply, in seconds; a longer one is cut to it."""

_READ = 2000  # characters of a reply; what stands further on is no wait
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WORDS = {
    **dict.fromkeys(("a", "an", "one"), 1.0),
    **{word: float(n) for n, word in enumerate(("two", "three", "four", "five", "six"), start=2)},
    **dict(zip(("ten", "fifteen", "twenty", "thirty", "sixty"), (10.0, 15.0, 20.0, 30.0, 60.0), strict=True)),
    "half an": 0.5,
}
_NUMBER = rf"(?:\d{{1,9}}(?:\.\d{{1,9}})?|\b(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})\b)"
_UNIT = r"(?:seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
_COMPACT = r"(?:\d{1,6}h)?(?:\d{1,6}m)?(?:\d{1,9}(?:\.\d{1,9})?s)?(?![a-z0-9])"  # 1h30m, 5m0s
_ONE = rf"({_NUMBER})[ -]?(?:more )?({_UNIT})"
_SPAN = rf"{_ONE}(?:(?:,? and |, ?| )?{_ONE})*"
_ABOUT = (
    r"(?:at least|at most|about|around|approximately|approx\.?|another|a minimum of|minimum|the next|next|"
    r"up to|no less than|roughly|~)"
)
_CUE = (
    rf"\b(?:retry[- _]?after|retry[- _]?in|in|after|for|wait(?:ing)?(?: time)?|within|delay(?:ed)?|until|"
    rf"least|of|every)(?:\s*[:=(]\s*|\s+)(?:{_ABOUT}\s+)*"
)
_LATER = r"\s*(?:later|remaining|left|from now|to go)\b"

_CUED_COMPACT = re.compile(rf"{_CUE}(?=\d)({_COMPACT})", re.IGNORECASE)
_CUED_SPAN = re.compile(rf"{_CUE}({_SPAN})", re.IGNORECASE)
_SPAN_LATER = re.compile(rf"(?<![\w.:])({_SPAN}){_LATER}", re.IGNORECASE)
_CUED_CLOCK = re.compile(rf"{_CUE}(\d{{1,2}}):([0-5]\d):([0-5]\d)\b(?!:)", re.IGNORECASE)
_CUED_PERIOD = re.compile(
    rf"{_CUE}P(?:(\d{{1,4}})D)?(?:T(?:(\d{{1,6}})H)?(?:(\d{{1,6}})M)?(?:(\d{{1,9}})S)?)?\b"
)
_BARE_SECONDS = re.compile(  # nothing behind it that could make a date, a unit or a decimal of it
    r"\bretry[- _]?(?:after|in)\s*[:=(]?\s*(\d{1,7})(?=\s*(?:$|[,;)\]]|\.(?!\d)|\())",
    re.IGNORECASE | re.MULTILINE,
)
_YEARS = range(1970, 2200)
_MOMENT_CUE = r"\b(?:after|until|till|at|before|from|on|time|retry[- _]?after)(?:\s*[:=(]\s*|\s+)"
_ISO = re.compile(
    rf"{_MOMENT_CUE}(\d{{4}}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,]\d{{1,9}})?"
    r"\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)?(?![\w:])",
    re.IGNORECASE,
)
_MAIL_DATE = re.compile(
    rf"{_MOMENT_CUE}((?:[A-Z][a-z]{{2}},? )?\d{{1,2}} [A-Z][a-z]{{2}} \d{{4}} \d\d:\d\d(?::\d\d)?"
    r"(?: (?:[+-]\d{4}|GMT|UTC|UT|Z))?)(?![\w:])",
    re.IGNORECASE,
)


def asked_wait_s(text: str, now: int) -> int | None:
    """Return the wait that a refusal names, in whole seconds from 0 to ``MAX_S``; None where it names none.

    Read are spans ("in 5 minutes", "wait at least 300 seconds", "try again in 5m0s", "in an hour", "in
    00:05:00", "PT5M") and moments ("retry after 2026-11-26T05:00:00Z", RFC 3339 and RFC 5322 section 3.3)
    against ``now`` in ms since 1970. A moment that is past says nothing. A year or a date is never a
    number of seconds.
    """
    text = " ".join(text[:_READ].split())
    moment = _moment(text)
    if moment is not None:
        left = moment - now / 1000
        return min(round(left), MAX_S) if left >= 1 else None
    seconds = _seconds(text)
    return None if seconds is None else min(round(seconds), MAX_S)


def _moment(text: str) -> float | None:
    """Return the moment that the text names, in seconds since 1970. Without a zone it is taken as UTC."""
    try:
        if found := _ISO.search(text):
            day, time, zone = found.groups()
            zone = "+00:00" if (zone or "Z").upper() in {"Z", "UTC", "GMT"} else zone
            return datetime.fromisoformat(f"{day}T{time}{zone}").timestamp()
        if found := _MAIL_DATE.search(text):
            read = parsedate_to_datetime(found[1])
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        pass  # no such day or hour
    return None


def _seconds(text: str) -> float | None:
    if found := _CUED_CLOCK.search(text):
        hours, minutes, seconds = map(int, found.groups())
        return 3600.0 * hours + 60 * minutes + seconds
    if found := _CUED_PERIOD.search(text):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        if total := 86400.0 * days + 3600 * hours + 60 * minutes + seconds:
            return total
    for found in _CUED_COMPACT.finditer(text):
        if found[1]:
            return sum(
                float(number) * _UNITS[unit.lower()]
                for number, unit in re.findall(r"(\d+(?:\.\d+)?)([hms])", found[1], re.IGNORECASE)
            )
    if found := _CUED_SPAN.search(text) or _SPAN_LATER.search(text):
        return sum(
            _value(number) * _UNITS[unit[0].lower()]
            for number, unit in re.findall(_ONE, found[1], re.IGNORECASE)
        )
    if (found := _BARE_SECONDS.search(text)) and int(found[1]) not in _YEARS:
        return float(found[1])
    return None


def _value(number: str) -> float:
    return _WORDS[number.lower()] if number.lower() in _WORDS else float(number)
