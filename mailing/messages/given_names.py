"""The first name in a whole name, by which a message greets: Ann of Ann Lee, An of Nguyễn Văn An.

Pure. The given name stands first in most languages that Volley meets, and last in Vietnamese. A name is
Vietnamese if it begins with a Vietnamese family name and each of its words can be a Vietnamese syllable.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_TITLES = frozenset(
    "dr herr frau madame miss mister mme mr mrs ms mx prof professor sir ông bà gs ts ths pgs bs".split()  # noqa: SIM905
)
_FAMILIES = frozenset(
    "bui cao chau chu cu dang dao dinh do doan duong giang ha ho hoang hong huynh khuat kieu la lai lam le "  # noqa: SIM905
    "luong luu ly ma mac mai ngo ngu nghiem nguyen nhan ninh ong pham phan phung quach ta tang thach thai "
    "than thieu to ton tong tran trieu trinh truong tu tuong uong van vi vo vu vuong".split()
)
_HARDLY_GIVEN = frozenset("bui dang huynh nguyen pham phung tran trinh truong".split())  # noqa: SIM905
_SYLLABLE = re.compile(
    r"(?:ngh|ng|nh|ch|gh|gi|kh|ph|qu|th|tr|[bcdghklmnprstvx])?[aeiouy]{1,3}(?:ch|ng|nh|[cmnpt])?"
)
_PLAIN = str.maketrans({"đ": "d"})


def first_name(value: Any) -> Any:
    """Return the first name in a whole name, and a value that is no text as it is.

    ``Lee, Ann`` is Ann, and so is ``Dr. Ann Lee``. A name of one word is a first name.
    """
    if not isinstance(value, str):
        return value
    family, comma, given = value.partition(",")
    words = (given if comma and given.strip() else family).split()
    while len(words) > 1 and words[0].casefold().replace(".", "") in _TITLES:
        words = words[1:]
    if not words:
        return ""
    return words[-1] if not comma and _is_vietnamese(words) else words[0]


def _is_vietnamese(words: list[str]) -> bool:
    plain = [_plain(word) for word in words]
    return (
        len(words) > 1
        and plain[0] in _FAMILIES
        and plain[-1] not in _HARDLY_GIVEN
        and all(map(_SYLLABLE.fullmatch, plain))
    )


def _plain(word: str) -> str:
    """Return a word in lower case without its accents."""
    letters = unicodedata.normalize("NFKD", word.casefold().translate(_PLAIN))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
