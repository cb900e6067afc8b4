"""The search box of the email log: each term that a reader types, and what it asks for. Pure.

=============================  ===========================================================
``ann@one.example``, ``ann``   addresses that start so
``@one.example``               addresses of a domain
``550``, ``4xx``               a reply code, or its first digit (RFC 5321 section 4.2.1)
``5.1.1``                      an enhanced status code (RFC 3463)
``failed``                     a result, by any of its names
``"mailbox full"``             text in the reply or in the server's name
=============================  ===========================================================

A lone word is the start of an address. Several are text, as no address has a space in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mailing.core.states import AttemptResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Kind(StrEnum):
    """What a term asks for."""

    ADDRESS = "address"
    DOMAIN = "domain"
    CODE = "code"
    FAMILY = "family"
    ENHANCED = "enhanced"
    RESULT = "result"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Term:
    """One term. ``value`` of a domain has no @, that of a family is one digit."""

    kind: Kind
    value: str

    @property
    def written(self) -> str:
        """The term as ``read`` reads it, whatever is beside it."""
        return _WRITTEN.get(self.kind, "{}").format(self.value)


_WRITTEN = {Kind.DOMAIN: "@{}", Kind.FAMILY: "{}xx", Kind.TEXT: '"{}"'}
_KINDS = (
    (Kind.CODE, re.compile("([2-5][0-9]{2})")),
    (Kind.FAMILY, re.compile("([2-5])xx", re.IGNORECASE)),
    (Kind.ENHANCED, re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})")),
    (Kind.DOMAIN, re.compile(r"@([^@]+)")),
    (Kind.ADDRESS, re.compile("(.+@.*)")),
)
_AROUND = "<>,;"  # stands around a pasted address, and is no part of it
_NO_ADDRESS = re.compile(r"[:/()\[\]@]")  # an address does not start with what has one of these


def read(text: str, results: Mapping[str, AttemptResult]) -> Sequence[Term]:
    """Return the terms of ``text`` in their order. ``results`` are more names, in small letters."""
    names = {**{result.value: result for result in AttemptResult}, **results}
    known = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    tokens = re.compile(rf'"(?P<text>[^"]*)"?|(?P<name>{known})(?=[\s"]|$)|(?P<word>[^\s"]+)', re.IGNORECASE)
    terms: list[Term] = []
    bare: list[int] = []  # places of words that are the start of an address if there is nothing else
    for found in tokens.finditer(text):
        word = (found["name"] or found["word"] or "").strip(_AROUND)
        if result := names.get(word.lower()):
            terms.append(Term(Kind.RESULT, result))
        elif word:
            kind, value = next(
                ((kind, it[1]) for kind, form in _KINDS if (it := form.fullmatch(word))), (Kind.TEXT, word)
            )
            if kind is Kind.TEXT and not _NO_ADDRESS.search(word):
                bare.append(len(terms))
            terms.append(Term(kind, value))
        elif said := (found["text"] or "").strip():
            terms.append(Term(Kind.TEXT, said))
    if len(bare) == 1 and not any(term.kind is Kind.ADDRESS for term in terms):
        terms[bare[0]] = Term(Kind.ADDRESS, terms[bare[0]].value)
    return terms


def write(terms: Iterable[Term]) -> str:
    """Return the text in which ``read`` finds these terms."""
    return " ".join(term.written for term in terms)


def repeated(terms: Iterable[Term]) -> Term | None:
    """Return the first term of a kind that another one before it has asked for; there may be many texts."""
    seen: set[Kind] = set()
    for term in terms:
        if term.kind in seen and term.kind is not Kind.TEXT:
            return term
        seen.add(term.kind)
    return None
