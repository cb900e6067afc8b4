"""Recipes: which answers the demo inbox gives in a rehearsal, and to whom. Pure.

A recipe says how many in ``WHOLE`` get which answer; all others are accepted. Who gets which follows from
the address and the campaign alone, so that it is the same at each try, in each worker, and when the same
campaign is rehearsed again. The demo inbox is told by the end of the local part.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason, ReasonError

if TYPE_CHECKING:
    from mailing.campaigns.queries import Campaign

WHOLE = 1000


class Answer(StrEnum):
    """What the demo inbox does with an email: its rules, and that there is none."""

    ACCEPTED = "accepted"
    LATER = "later"  # refused for now at the first try
    FULL = "full"  # refused for now at each try
    BOUNCE = "bounce"  # no such mailbox
    SLOW = "slow"  # accepted after two seconds
    DROP = "drop"  # received, and the connection closed without a reply


CHOSEN = tuple(answer for answer in Answer if answer is not Answer.ACCEPTED)
"""The answers that a recipe names; whoever gets none of them is accepted."""

RECIPES: Mapping[str, Mapping[str, int]] = {
    "accepted": {},
    "usual": {Answer.LATER: 30, Answer.FULL: 5, Answer.BOUNCE: 15, Answer.DROP: 1},
    "bad": {Answer.LATER: 100, Answer.FULL: 40, Answer.BOUNCE: 200, Answer.DROP: 5},
}


class RecipeError(ReasonError):
    """A recipe that cannot be used: the reason says why, and what to do."""


def read(wanted: object) -> dict[str, int]:
    """Return a recipe by its name, or as ``{"bounce": 20}``. Raises ``RecipeError``."""
    if isinstance(wanted, str):
        if wanted not in RECIPES:
            raise RecipeError(Reason("rehearsal.no-recipe", name=wanted[:40], names=tuple(RECIPES)))
        return {str(answer): n for answer, n in RECIPES[wanted].items()}
    if not isinstance(wanted, Mapping) or not wanted.keys() <= {*CHOSEN}:
        raise RecipeError(Reason("rehearsal.unknown-answer", answers=tuple(map(str, CHOSEN))))
    for n in wanted.values():
        if type(n) is not int or not 0 <= n <= WHOLE:
            raise RecipeError(Reason("rehearsal.not-a-share", most=WHOLE))
    if sum(wanted.values()) > WHOLE:
        raise RecipeError(Reason("rehearsal.too-much", n=sum(wanted.values()), most=WHOLE))
    return {str(answer): wanted[answer] for answer in CHOSEN if wanted.get(answer)}


def name_of(recipe: Mapping[str, int]) -> str:
    """Return the name of a recipe; empty for one of somebody's own numbers."""
    given = {answer: n for answer, n in recipe.items() if n}
    return next((name for name, known in RECIPES.items() if given == dict(known)), "")


def answer_to(recipe: Mapping[str, int], rehearses: int, email: str) -> Answer:
    """Return what an address is answered when the campaign ``rehearses`` is rehearsed."""
    about = f"{rehearses} {email.lower()}".encode("utf-8", "surrogatepass")
    place = int.from_bytes(blake2b(about, digest_size=8).digest()) % WHOLE
    for answer in CHOSEN:
        place -= recipe.get(answer, 0)
        if place < 0:
            return answer
    return Answer.ACCEPTED


def tagged(campaign: Campaign, email: str) -> str:
    """Return the address with the tag by which the demo inbox answers it as a rehearsal's recipe says."""
    answer = answer_to(campaign.recipe or {}, campaign.rehearses or 0, email)
    local, _, domain = email.rpartition("@")
    if answer is Answer.ACCEPTED and "+" not in local:
        return email
    if local.endswith('"'):
        return f'{local[:-1]}+{answer}"@{domain}'
    return f"{local}+{answer}@{domain}"
