"""A law that each of many files keeps is one test, which tells all that break it.

As a test for each file they were five thousand, and what a test costs was most of what they cost.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from mailing.settings import ROOT

T = TypeVar("T")

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


def each(things: Collection[T]) -> Callable[[Callable[[T], None]], Callable[[], None]]:
    """Return a decorator that makes one test of a check for each of these things."""

    def decorate(check: Callable[[T], None]) -> Callable[[], None]:
        def test() -> None:
            faults = {}
            for thing in things:
                try:
                    check(thing)
                except (AssertionError, pytest.fail.Exception) as fault:
                    faults[_name(thing)] = str(fault)
            assert things, "nothing is looked at"
            assert not faults, "\n".join(f"{name}: {fault}" for name, fault in faults.items())

        test.__name__, test.__doc__, test.__module__ = check.__name__, check.__doc__, check.__module__
        return test

    return decorate


def _name(thing: object) -> str:
    return thing.relative_to(ROOT).as_posix() if isinstance(thing, Path) else str(thing)
