"""The rulebook: whom a refusal means, and what follows from it. The rules are data, in ``rulebook.toml``.

The class of a code says too little: some 5xx pass by themselves (a quota of ours), some 4xx never do (no
DKIM). Pure: a reply, the step that it answers and the server in, a ruling out. It runs for refusals only.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from mailing.smtp.replies import Stage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from mailing.smtp.replies import Reply

_READ = 2000  # characters of a reply
_ADDRESS = re.compile(r"[^\s<>]*@[^\s<>]*")
_LINE = re.compile(r"^\d{3}(?:[ \t-]+(?:[245]\.\d{1,3}\.\d{1,3}\b[ \t]*)?|$)", re.MULTILINE)


class Scope(StrEnum):
    """Whom a refusal means."""

    RECIPIENT = "recipient"
    LANE = "lane"
    ACCOUNT = "account"
    DNS = "dns"
    MESSAGE = "message"
    CONNECTION = "connection"


class Follows(StrEnum):
    """What follows from a refusal; ``rulebook.toml`` says what each means."""

    FAIL = "fail"
    WAIT = "wait"
    REST = "rest"
    RECONNECT = "reconnect"
    RECYCLE = "recycle"
    NARROW = "narrow"
    PAUSE = "pause"
    STOP = "stop"


class Ruling(NamedTuple):
    """Whom a refusal means, what follows, and for how many seconds.

    ``check`` is what a person has to look at, a word of ``wording.toml``, ``threshold`` the name of the one
    that a pause waits for, ``rule`` the id of the rule that says all this.
    """

    scope: Scope
    follows: Follows
    wait_s: int = 0
    check: str = ""
    threshold: str = ""
    rule: str = ""


class Example(NamedTuple):
    """A reply that a rule is for."""

    stage: Stage
    reply: str
    server: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """When refusals are no longer one recipient's affair: see ``rulebook.toml``."""

    recipients: int
    window: int
    unbroken: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the rulebook. Codes are basic codes or their first digit."""

    ruling: Ruling
    stages: Collection[Stage]
    codes: Collection[int]
    enhanced: re.Pattern[str] | None
    server: re.Pattern[str] | None
    words: re.Pattern[str] | None
    or_words: bool
    source: str
    example: Example

    def fits(self, stage: Stage, code: int, detail: str, words: str, server: str) -> bool:
        """Whether the rule is for such a reply; ``detail`` is the enhanced code without its class."""
        if stage not in self.stages or not (code in self.codes or code // 100 in self.codes):
            return False
        if self.server and not self.server.search(server):
            return False
        if self.or_words:
            return self._has_code(detail) or self._has_words(words)
        return (not self.enhanced or self._has_code(detail)) and (not self.words or self._has_words(words))

    def _has_code(self, detail: str) -> bool:
        return self.enhanced is not None and self.enhanced.fullmatch(detail) is not None

    def _has_words(self, words: str) -> bool:
        return self.words is not None and self.words.search(words) is not None


class Book:
    """Rules in their order: an operator's own before the built-in ones."""

    def __init__(self, own: Iterable[Rule] = ()) -> None:
        self.rules = (*own, *RULES)
        self._first = lru_cache(maxsize=256)(self._find)  # many are refused in the same words

    def judge(self, stage: Stage, reply: Reply, server: str = "") -> Rule:
        """Return the first rule that fits a refusal (4xx or 5xx) at ``stage``, said by ``server``."""
        return self._first(stage, reply.code, reply.enhanced[2:], plain(reply.text), server.lower())

    def _find(self, stage: Stage, code: int, detail: str, words: str, server: str) -> Rule:
        return next(it for it in self.rules if it.fits(stage, code, detail, words, server))


def use(own: Iterable[Rule]) -> None:
    """Judge by these rules of an operator, and by the built-in ones behind them, from now on."""
    _in_use[0] = Book(own)


def rule(stage: Stage, reply: Reply, server: str = "") -> Ruling:
    """Return what a refusal (4xx or 5xx) at ``stage`` means, said by ``server`` (``host:port``)."""
    return _in_use[0].judge(stage, reply, server).ruling


def plain(text: str) -> str:
    """Return a reply's words in one line of small letters, without its lines' codes and without addresses."""
    words = _ADDRESS.sub("@", _LINE.sub(" ", text[:_READ]))
    return " ".join(words.replace("\u2019", "'").lower().split())


def rule_of(row: Mapping[str, Any]) -> Rule:
    """Return the rule of a row of ``rulebook.toml``, which has no mistakes."""
    scope, follows = Scope(row["scope"]), Follows(row["follows"])
    threshold = row.get("threshold", scope.value) if follows is Follows.PAUSE else ""
    ruling = Ruling(scope, follows, row.get("wait", 0), row.get("check", ""), threshold, row["id"])
    example = row["example"]
    return Rule(
        ruling,
        frozenset(map(Stage, row["stages"])) if "stages" in row else frozenset(Stage),
        frozenset(map(int, row.get("codes", ("4", "5")))),
        _pattern(row, "enhanced"),
        _pattern(row, "server"),
        _pattern(row, "words"),
        row.get("or_words", False),
        row["source"],
        Example(Stage(example["stage"]), example["reply"], example.get("server", "")),
    )


def _pattern(row: Mapping[str, Any], name: str) -> re.Pattern[str] | None:
    return re.compile(row[name]) if name in row else None


_BOOK = tomllib.loads(resources.files(__package__).joinpath("rulebook.toml").read_text("utf-8"))
RULES: Sequence[Rule] = tuple(map(rule_of, _BOOK["rule"]))
THRESHOLDS: Mapping[str, Threshold] = {name: Threshold(**row) for name, row in _BOOK["thresholds"].items()}
_in_use = [Book()]
