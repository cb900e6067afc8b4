"""What a suppression is about, in one column that a look-up finds by equality. Pure.

================  ==========================================================================
``ann@x.example`` an address, in small letters: a local part may tell case apart (RFC 5321
                  section 2.4), but nobody who left may be mailed for that
``@x.example``    all addresses at exactly this domain
``#9f86d0…``      a person who wants to be forgotten: a keyed hash (HMAC-SHA-256) of the address
================  ==========================================================================

The key is the installation's own and lies in its database, so that a new secret key mails nobody who wanted
to be forgotten. Whoever has the database can still ask it about an address, and read none from it.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import TYPE_CHECKING

from mailing.addresses import mailbox
from mailing.addresses.address_search import small

if TYPE_CHECKING:
    from collections.abc import Sequence

FORGOTTEN = "#"
DOMAIN = "@"
_DIGITS = 16  # of the hash, in a label
_LABEL = re.compile(r"forgotten\.[0-9a-f]{16}@")


def read(text: str) -> str:
    """Return the subject that somebody wrote: an address, or a domain behind ``@``.

    Raises ``UnfitError`` if it is neither.
    """
    text = mailbox.clean(text).strip()
    if text.startswith(DOMAIN):
        return DOMAIN + small(mailbox.judge(f"x{text}")).rpartition("@")[2]
    return small(mailbox.judge(text))


def forgotten(key: str, email: str) -> str:
    """Return the subject that is left of an address once its person is forgotten."""
    return FORGOTTEN + hmac.new(bytes.fromhex(key), small(email).encode(), sha256).hexdigest()


def label(key: str, email: str) -> str:
    """Return what stands in place of an address of a forgotten person in a campaign. The domain stays."""
    hashed = forgotten(key, email).removeprefix(FORGOTTEN)[:_DIGITS]
    return f"forgotten.{hashed}@{email.rpartition('@')[2]}"


def is_label(email: str) -> bool:
    """Whether it stands in place of an address: nobody may be mailed under it."""
    return _LABEL.match(email) is not None


def masked(email: str) -> str:
    """Return ``a•••@e•••.org`` for ``anna@example.org``: enough to see that it is another, not who it is.

    The domain is masked as well: many a domain is a name, and one letter before it would complete it.
    """
    local, _at, domain = email.rpartition("@")
    host, _dot, top = domain.rpartition(".")
    return f"{local[:1]}•••@{host[:1]}•••.{top}"


def of(email: str, key: str | None = None) -> Sequence[str]:
    """Return all subjects that cover an address; ``key`` where somebody was forgotten."""
    address = small(email)
    plain = (address, DOMAIN + address.rpartition("@")[2])
    return plain if key is None else (*plain, forgotten(key, email))
