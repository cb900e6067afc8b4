"""The rules of an operator, read from a text like ``smtp/rulebook.toml``, and the mistakes in it. Pure.

Each mistake is told with its line. A rule's example is its test: one that another rule of the text judges is
a mistake.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from mailing.core.reasons import WORDING, Reason, ReasonError, UnfitError
from mailing.smtp.replies import PERMANENT, TRANSIENT, Reply, ReplyError, ReplyParser, Stage
from mailing.smtp.rulebook import RULES, THRESHOLDS, Book, Follows, Rule, Scope, rule_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

LONGEST_WAIT_S = 86_400

FOLLOWING: Mapping[Scope, Collection[Follows]] = {
    Scope.RECIPIENT: (Follows.FAIL, Follows.WAIT),
    Scope.LANE: (Follows.WAIT, Follows.REST),
    Scope.ACCOUNT: (Follows.REST, Follows.NARROW, Follows.PAUSE, Follows.STOP),
    Scope.DNS: (Follows.PAUSE, Follows.WAIT),
    Scope.MESSAGE: (Follows.PAUSE,),
    Scope.CONNECTION: (Follows.RECONNECT, Follows.RECYCLE),
}
"""What can follow from a refusal of each scope."""


class RulebookError(ReasonError, ValueError):
    """A rulebook has mistakes: each reason names its line."""


def read(text: str) -> Sequence[Rule]:
    """Return the rules of a text, for ``rulebook.use``. Raises ``RulebookError``."""
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulebookError(_not_toml(str(error), text)) from None
    lines, rows = _Lines(text), found.get("rule", ())
    misplaced = sorted(found.keys() - _TOP)
    if not isinstance(rows, list | tuple) or not all(isinstance(row, dict) for row in rows):
        misplaced.append("rule")
    if misplaced:
        raise RulebookError(
            *(Reason("rulebook.no-table", line=lines.of_word(it), name=it) for it in misplaced)
        )
    if faults := [
        lines.fault(place, row, key, fault)
        for place, row in enumerate(rows)
        for key, fault in (dict(_faults(row)) or dict(_taken(rows, place))).items()
    ]:
        raise RulebookError(*faults)
    rules = tuple(map(rule_of, rows))
    if faults := [
        lines.fault(place, rows[place], "example", fault) for place, fault in _judged_by_others(rules)
    ]:
        raise RulebookError(*faults)
    return rules


def _taken(rows: Sequence[Mapping[str, Any]], place: int) -> Iterator[tuple[str, Reason]]:
    names = {it.ruling.rule for it in RULES} | {str(row.get("id")) for row in rows[:place]}
    if rows[place]["id"] in names:
        yield "id", Reason("rulebook.taken")


def _judged_by_others(rules: Sequence[Rule]) -> Iterator[tuple[int, Reason]]:
    book = Book(rules)
    for place, it in enumerate(rules):
        judged = book.judge(it.example.stage, heard(it.example.reply), it.example.server)
        if judged is not it:
            yield place, Reason("rulebook.judged-by-another", rule=judged.ruling.rule)


def heard(text: str) -> Reply:
    """Return a refusal from its lines as a server says them. Raises ``UnfitError`` where it is none."""
    try:
        replies = ReplyParser().feed("".join(f"{line}\r\n" for line in text.splitlines()).encode())
    except ReplyError:
        replies = []
    if len(replies) != 1 or replies[0].code // 100 not in {TRANSIENT, PERMANENT}:
        raise UnfitError(Reason("rulebook.no-refusal"))
    return replies[0]


# What may be wrong with a row


def _faults(row: Mapping[str, Any]) -> Iterator[tuple[str, Reason]]:
    for key in _NEEDED - row.keys():
        yield key, Reason("rulebook.missing")
    wrong = dict(_unreadable(row))
    yield from wrong.items()
    if not wrong and row.keys() >= _NEEDED:
        yield from _contradictions(row)


def _unreadable(row: Mapping[str, Any]) -> Iterator[tuple[str, Reason]]:
    for key, value in row.items():
        try:
            _KEYS[key](value) if key in _KEYS else _unknown(value)
        except UnfitError as error:
            yield key, error.reason


def _contradictions(row: Mapping[str, Any]) -> Iterator[tuple[str, Reason]]:
    scope, follows = Scope(row["scope"]), Follows(row["follows"])
    if follows not in FOLLOWING[scope]:
        yield "follows", Reason("rulebook.one-of", known=tuple(map(str, FOLLOWING[scope])))
    if not row.keys() & {"codes", "enhanced", "server", "words"}:
        yield "id", Reason("rulebook.fits-all")
    if row.get("or_words") and not row.keys() >= {"enhanced", "words"}:
        yield "or_words", Reason("rulebook.either")
    if follows in _USE["check"] and "check" not in row:
        yield "check", Reason("rulebook.missing")
    for key, uses in _USE.items():
        if key in row and follows not in uses:
            yield key, Reason("rulebook.needless", follows=follows.value)


def _text(value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise UnfitError(Reason("rulebook.text"))


def _id(value: object) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9-]{1,60}", value):
        raise UnfitError(Reason("rulebook.id"))


def _yes_or_no(value: object) -> None:
    if not isinstance(value, bool):
        raise UnfitError(Reason("rulebook.yes-or-no"))


def _seconds(value: object) -> None:
    if type(value) is not int or not 1 <= value <= LONGEST_WAIT_S:
        raise UnfitError(Reason("rulebook.seconds", most=LONGEST_WAIT_S))


def _codes(value: object) -> None:
    codes = [*range(400, 600), "4", "5"]
    if not isinstance(value, list) or not value or any(code not in codes for code in value):
        raise UnfitError(Reason("rulebook.codes"))


def _regular(value: object) -> None:
    _text(value)
    try:
        re.compile(str(value))
    except (re.error, OverflowError, RecursionError) as error:
        raise UnfitError(Reason("rulebook.pattern", said=str(error))) from None


def _small(value: object) -> None:
    _regular(value)
    if re.search(r"(?<!\\)[A-Z]", str(value)):
        raise UnfitError(Reason("rulebook.capitals"))


def _one_of(known: Iterable[str]) -> Callable[[object], None]:
    words = tuple(known)

    def read_one(value: object) -> None:
        if value not in words:
            raise UnfitError(Reason("rulebook.one-of", known=words))

    return read_one


_stage = _one_of(map(str, Stage))


def _stages(value: object) -> None:
    if not isinstance(value, list) or not value:
        raise UnfitError(Reason("rulebook.one-of", known=tuple(map(str, Stage))))
    for each in value:
        _stage(each)


def _example(value: object) -> None:
    if not isinstance(value, dict) or not {"stage", "reply"} <= value.keys() <= {"stage", "reply", "server"}:
        raise UnfitError(Reason("rulebook.example"))
    _stage(value["stage"])
    for text in (value["reply"], value.get("server", "any")):
        _text(text)
    heard(value["reply"])


def _unknown(_value: object) -> None:
    raise UnfitError(Reason("rulebook.unknown", known=tuple(_KEYS)))


class _Lines:
    """On which line of a rulebook each rule and each of its keys is."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._rules = [at for at, line in enumerate(self._lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]

    def of_word(self, word: str) -> int:
        """Return the first line that begins with a word, in brackets or not."""
        begins = re.compile(rf"[\s\[\"']*{re.escape(word)}\b")
        return 1 + next((at for at, line in enumerate(self._lines) if begins.match(line)), 0)

    def fault(self, place: int, row: Mapping[str, Any], key: str, fault: Reason) -> Reason:
        """Say what is wrong with a key of a rule, the ``place``-th from 0, and on which line."""
        begins, *more = [*self._rules[place : place + 2], len(self._lines)] if self._rules else [0, 0]
        word = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
        own = range(begins, more[0])
        line = 1 + next((at for at in own if word.match(self._lines[at])), begins)
        return Reason("rulebook.fault", line=line, rule=str(row.get("id", place + 1)), key=key, fault=fault)


def _not_toml(said: str, text: str) -> Reason:
    found = re.search(r" \(at line (\d+), column \d+\)", said)
    line = int(found[1]) if found else max(1, len(text.splitlines()))
    return Reason("rulebook.not-toml", line=line, said=said.partition(" (at ")[0])


_TOP = frozenset({"rule", "dated"})
_NEEDED = frozenset({"id", "scope", "follows", "source", "example"})
_KEYS: Mapping[str, Callable[[object], None]] = {
    "id": _id,
    "stages": _stages,
    "codes": _codes,
    "enhanced": _regular,
    "server": _small,
    "words": _small,
    "or_words": _yes_or_no,
    "scope": _one_of(map(str, Scope)),
    "follows": _one_of(map(str, Follows)),
    "wait": _seconds,
    "threshold": _one_of(THRESHOLDS),
    "check": _one_of(code.removeprefix("check.") for code in WORDING if code.startswith("check.")),
    "source": _text,
    "example": _example,
}
_USE: Mapping[str, Collection[Follows]] = {
    "wait": (Follows.WAIT, Follows.REST, Follows.PAUSE),
    "threshold": (Follows.PAUSE,),
    "check": (Follows.PAUSE, Follows.STOP),
}
