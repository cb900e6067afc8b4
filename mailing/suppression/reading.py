"""A pasted list of whom nobody may mail: addresses as in any list, and domains behind ``@``. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.addresses.address_search import small
from mailing.addresses.findings import Refusal
from mailing.addresses.parsing import parse_pasted
from mailing.core.reasons import UnfitError
from mailing.suppression import subjects

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Listed:
    """The subjects that were found, each once, and what was refused."""

    subjects: Sequence[str]
    refused: Sequence[Refusal]


def read(text: str) -> Listed:
    """Read a pasted list, or one in a file: a line with nothing but ``@x.example`` means the domain."""
    found: dict[str, None] = {}
    refused: list[Refusal] = []
    rest: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.strip().rstrip(",;")
        if not word.startswith(subjects.DOMAIN) or any(sign in word for sign in " \t,;"):
            rest.append(line)
            continue
        rest.append("")  # so that the lines behind it keep their numbers
        try:
            found[subjects.read(word)] = None
        except UnfitError as refusal:
            refused.append(Refusal(number, line, refusal.reason))
    listed = parse_pasted("\n".join(rest))
    found.update(dict.fromkeys(small(entry.email) for entry in listed.entries))
    return Listed([*found], sorted([*refused, *listed.refused], key=lambda it: it.line))
