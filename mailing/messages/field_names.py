"""Names of merge fields: what a template calls a column, by the header that people wrote above it.

Pure. The one comes from the other everywhere and always the same way.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from jinja2.lexer import name_re  # type: ignore[attr-defined]  # what Jinja itself reads as a name

FIELD_NAME_MAX = 60  # characters

_HEADER_MAX = 500  # more of a header does not change its name, in practice
# Letters that Unicode does not take apart into an ASCII letter and its marks.
_PLAIN_LETTERS = str.maketrans({"đ": "d", "ð": "d", "ø": "o", "ł": "l", "\u0131": "i", "æ": "ae", "œ": "oe"})
_RESERVED = frozenset(
    "and block call caller else elif endfor endif extends false filter for if import in include is loop "  # noqa: SIM905
    "macro none not or recursive self set super true varargs kwargs with".split()
)
_APOSTROPHES = re.compile("['\u2019\u02bc]")


_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@lru_cache(maxsize=1_000)
def field_name(header: str) -> str:
    """Return the name under which a template uses the column with this header.

    It is an identifier in lower case. Whatever is no letter or digit becomes ``_``; Latin letters lose
    their accents, letters of other scripts stay: ``First Name`` and ``first-name`` are ``first_name``,
    ``Thành phố`` is ``thanh_pho``, ``名前`` stays. A header without any letter or digit gives ``field``.
    A name that is given back is given back unchanged.
    """
    folded = unicodedata.normalize("NFKC", header[:_HEADER_MAX]).casefold().translate(_PLAIN_LETTERS)
    letters = _without_accents(_APOSTROPHES.sub("", unicodedata.normalize("NFKD", folded)))
    words = "_".join(filter(None, letters.split("_")))[:FIELD_NAME_MAX].strip("_")
    if not words:
        return "field"
    if words in _RESERVED or not words.isidentifier():
        return f"field_{words}"
    return words


def usable(header: str) -> bool:
    """Whether a header is a field's name already, as a program writes it: ``firstName``."""
    return bool(_FIELD.fullmatch(header)) and header not in _RESERVED


def _without_accents(text: str) -> str:
    """Return decomposed text with marks only where their letter is not Latin, and ``_`` for other signs."""
    kept: list[str] = []
    for character in text:
        if unicodedata.combining(character) and (not kept or kept[-1].isascii()):
            continue
        within = f"a{character}"
        kept.append(character if within.isidentifier() and name_re.fullmatch(within) else "_")
    return unicodedata.normalize("NFC", "".join(kept))
