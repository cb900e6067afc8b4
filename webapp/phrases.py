"""What ``mailing`` says, in the reader's language."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from mailing import reasons
from mailing.reasons import WORDING
from webapp import languages
from webapp.languages import _, grouped

if TYPE_CHECKING:
    from mailing.reasons import ReasonError, Words

_SPOKEN = frozenset({"part", "state", "action", "offered", "check"})  # values that are words of ours
_VOCABULARY = frozenset(
    text
    for code, text in WORDING.items()
    if code.startswith(("part.", "state.", "action.", "check.", "kind."))
)
_FIELD = re.compile(r"%\((\w+)\)s")


def say(words: Words) -> str:
    """Return a reason in the language now. A server's own words stay as they are."""
    if not isinstance(words, str):
        return reasons.word(words, lambda text, values: _(text, **values), grouped)
    if languages.current() == languages.ENGLISH or not words or words[0].isdigit():  # a server's reply
        return words
    return _said(words, languages.current())


def say_why(error: ReasonError) -> str:
    """Return the reasons of an error in the language now."""
    return " ".join(map(say, error.reasons))


# What is still stored as its sentence is recognised by it.


@lru_cache(maxsize=2_000)
def _said(text: str, _language: str) -> str:
    known, patterns = _phrases()
    if text in known:
        return _(known[text])
    for message, pattern in patterns:
        if found := pattern.fullmatch(text):
            return _(message, **{name: _value(name, value) for name, value in found.groupdict().items()})
    return text


def _value(name: str, value: str) -> str:
    if name == "reason":
        return say(value)
    if name == "kinds":
        pairs = (pair.rpartition(" is ") for pair in value.split(", "))
        return ", ".join(_("%(field)s is %(kind)s", field=field, kind=_(kind)) for field, _is, kind in pairs)
    if name not in _SPOKEN:
        return value
    if value in _VOCABULARY:
        return _(value)
    return ", ".join(_(word) if word in _VOCABULARY else word for word in value.split(", "))


@cache
def _phrases() -> tuple[dict[str, str], tuple[tuple[str, re.Pattern[str]], ...]]:
    """Return the sentences without values as they read, and the others as patterns, the most exact first."""
    sentences = [text for text in WORDING.values() if "." in text or text.startswith(("unusual", "same"))]
    fixed = {sentence.replace("%%", "%"): sentence for sentence in sentences if not _FIELD.search(sentence)}
    filled = sorted((s for s in sentences if _FIELD.search(s)), key=lambda s: -len(_FIELD.sub("", s)))
    return fixed, tuple((sentence, _pattern(sentence)) for sentence in filled)


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = _FIELD.split(sentence)  # text, name, text, name ... text
    read = (
        f"(?P<{part}>.+)" if at % 2 else re.escape(part.replace("%%", "%")) for at, part in enumerate(parts)
    )
    return re.compile("".join(read), re.DOTALL)
