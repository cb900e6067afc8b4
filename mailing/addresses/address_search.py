"""What a search for addresses means: the same on a campaign's page, in the log, in the API and at a terminal.

================  ==============================================================================
``ann``           addresses that start so
``@example.org``  addresses at exactly this domain: what is decided about ``@example.co`` must not
                  reach people at ``example.com``
================  ==============================================================================

A domain may be written in Unicode. Case is ignored; in a start, that of ASCII letters alone, as ``lower()``
of both databases does.
"""

from __future__ import annotations

from typing import NamedTuple


class AddressSearch(NamedTuple):
    """What an address must be, in small letters: its start or its domain. Both are empty for any."""

    start: str = ""
    domain: str = ""


def read(text: str) -> AddressSearch:
    """Return what ``text`` asks for."""
    local, at, domain = text.rpartition("@")
    text = f"{local}{at}{_a_labels(domain)}" if at else text
    return (
        AddressSearch(domain=small(text[1:].lower())) if text.startswith("@") else AddressSearch(small(text))
    )


def _a_labels(domain: str) -> str:
    """Return a domain with A-labels (RFC 5890), as lists hold it; one that has none, as it is."""
    try:
        return domain if domain.isascii() else domain.lower().encode("idna").decode()
    except UnicodeError:
        return domain


def small(text: str) -> str:
    """Return ``text`` with small ASCII letters. What is no character, a lone surrogate, becomes a ``?``."""
    return text.encode(errors="replace").lower().decode()
