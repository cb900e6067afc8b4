"""Why the package ``email-validator`` refuses an address, as a reason of ours.

Pure. The package has a sentence for each case, and no codes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason

if TYPE_CHECKING:
    from email_validator import EmailNotValidError

_SIGNS = re.compile(r"characters[^:]*: (?P<signs>.+)\.\Z", re.DOTALL)
_CODES = tuple(  # the first that fits
    (re.compile(words), code)
    for words, code in (
        (r"too long after|so many characters", "address.domain-too-long"),
        (r"should have a period", "address.no-dot"),
        (r"two letters followed by two dashes|hyphen", "address.misplaced-hyphen"),
        (r"period", "address.misplaced-dot"),
        (r"top-level domain", "address.domain-unknown"),
        (r"special-use", "address.domain-reserved"),
    )
)


def reason_of(error: EmailNotValidError) -> Reason:
    """Return the reason for which an address was refused."""
    said = str(error)
    if named := _SIGNS.search(said):
        local = "before the @" in said or "email address contains" in said
        code = "address.local-part-characters" if local else "address.domain-characters"
        return Reason(code, signs=named["signs"])
    return Reason(next((code for words, code in _CODES if words.search(said)), "address.invalid"))
