"""The templates that come with Volley: a message to begin with, in the language of whoever writes it.

Pure. Each is a file: its name, subject and preheader, a blank line, and the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from mailing.writing.written import Writing, Written

KEYS = ("letter", "announcement", "newsletter", "invitation", "receipt")
LANGUAGES = ("en", "vi")
_FILES = resources.files(__package__).joinpath("starter_files")
_WRITINGS = {"letter": Writing.MARKDOWN}


@dataclass(frozen=True, slots=True)
class Starter:
    """A template that comes with Volley. ``name`` is in its language, and what is ``written`` has no From."""

    key: str
    language: str
    name: str
    written: Written


def starters(language: str) -> tuple[Starter, ...]:
    """Return all of them in a language; in English where there are none in it."""
    return tuple(it for it in _ALL if it.language == (language if language in LANGUAGES else LANGUAGES[0]))


def starter(key: str, language: str) -> Starter | None:
    """Return one of them."""
    return next((it for it in starters(language) if it.key == key), None)


def _read(key: str, language: str) -> Starter:
    writing = _WRITINGS.get(key, Writing.VISUAL)
    suffix = "md" if writing is Writing.MARKDOWN else "html"
    head, _, body = _FILES.joinpath(f"{key}.{language}.{suffix}").read_text("utf-8").partition("\n\n")
    given = dict(line.split(": ", 1) for line in head.splitlines())
    written = Written(
        sender_from="", subject=given["Subject"], preheader=given["Preheader"], writing=writing, html=body
    )
    return Starter(key, language, given["Name"], written)


_ALL = tuple(_read(key, language) for language in LANGUAGES for key in KEYS)
