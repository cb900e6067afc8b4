"""What is worth a look about an address that was taken: mistyped domains, roles, disposable addresses. Pure.

A suggestion is never taken up by itself: only who wrote the address knows. A domain counts as mistyped where
one edit (a letter too many, missing, another, or two in the wrong order) makes it that of a big provider, or
where its ending is a known slip for one. Domains that exist beside the big ones are left alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from disposable_email_domains import blocklist

from mailing.contacts.notes import Note, NoteKind
from mailing.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.contacts.storing import Arrival

PROVIDERS = tuple(
    """
    126.com 163.com aol.com att.net bigpond.com bluewin.ch btinternet.com comcast.net cox.net
    daum.net earthlink.net fastmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.de gmx.net
    googlemail.com hanmail.net hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it
    icloud.com laposte.net libero.it live.com mail.ru me.com msn.com naver.com orange.fr outlook.com
    outlook.de proton.me protonmail.com qq.com rambler.ru rediffmail.com rogers.com sbcglobal.net
    seznam.cz sfr.fr sina.com sympatico.ca t-online.de tutanota.com verizon.net virgilio.it
    wanadoo.fr web.de yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.br yahoo.com.vn
    yahoo.de yahoo.es yahoo.fr yahoo.it yandex.ru zoho.com
    """.split()  # noqa: SIM905
)
_BESIDE = frozenset(  # domains of others, one edit away from a provider's
    "cloud.com email.com inbox.com mail.com orange.com ymail.com yandex.com".split()  # noqa: SIM905
)
_ENDINGS = {  # slips for the endings of the big ones
    slip: ending
    for ending, slips in {
        "com": "con cmo ocm om cm vom xom comm coom clm cim cpm ccom co cmm",
        "net": "ent nte met ner nett",
        "co.uk": "couk co.u co.ik co.ul",
        "com.vn": "con.vn comvn cm.vn",
        "de": "dee",
        "fr": "frr",
    }.items()
    for slip in slips.split()
}
_SHORTEST = 5  # letters before the dot: among shorter names there are too many others
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"

ROLES = frozenset(  # RFC 2142, and what offices use
    """
    abuse accounting accounts admin administrator all billing board booking bookings careers
    compliance contact customerservice do-not-reply donotreply editor enquiries everyone feedback
    finance ftp hello help helpdesk hostmaster hr info inquiries invoices it jobs legal list mail
    marketing media news newsletter no-reply noc noreply office orders postmaster press privacy
    purchasing reception recruitment root sales school secretary security service spam staff
    subscribe support team unsubscribe usenet uucp webmaster www lienhe lien-he hotro ho-tro
    tuyendung vanphong ketoan nhansu kinhdoanh
    """.split()  # noqa: SIM905
)


def look(arrival: Arrival, domain: str) -> Sequence[Note]:
    """Return what is worth a look about a contact that was taken; ``domain`` is that of its address."""
    local = arrival.email[: -len(domain) - 1]
    meant, disposable = _judged(domain)
    found = []
    if meant:
        address = f"{local}@{meant}"
        reason = Reason("import.meant", address=address)
        found.append(Note(NoteKind.SUGGESTED, arrival.line, arrival.email, reason, address))
    elif disposable:  # as many mistyped ones are
        found.append(Note(NoteKind.NOTED, arrival.line, arrival.email, Reason("import.disposable")))
    if local.lower() in ROLES:
        found.append(Note(NoteKind.NOTED, arrival.line, arrival.email, Reason("import.role")))
    return found


@lru_cache(maxsize=10_000)
def _judged(domain: str) -> tuple[str, bool]:
    return suggest(domain), is_disposable(domain)


def suggest(domain: str) -> str:
    """Return the provider's domain that was probably meant; nothing if the domain may be right."""
    if domain in KNOWN:
        return ""
    name, _, ending = domain.partition(".")
    right = _ENDINGS.get(ending, ending)
    if right != ending and (whole := f"{name}.{right}") in _PROVIDERS:
        return whole
    return _MISTYPED.get((name, right), "")


def is_disposable(domain: str) -> bool:
    """Tell whether a domain, or the one above it, gives addresses away for minutes."""
    return domain in blocklist or domain.partition(".")[2] in blocklist


def _edits(word: str) -> Iterator[str]:
    """Yield every word that is one edit away."""
    parts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    for before, after in parts:
        yield from (before + letter + after for letter in _LETTERS)
        if after:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in _LETTERS)
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]


def _mistyped() -> dict[tuple[str, str], str]:
    """Return the providers by names that are one edit away from theirs, and by their endings."""
    found: dict[tuple[str, str], str] = {}
    for provider in PROVIDERS:
        name, _, ending = provider.partition(".")
        if len(name) >= _SHORTEST:
            for edit in _edits(name):
                found.setdefault((edit, ending), provider)
    for domain in KNOWN:
        name, _, ending = domain.partition(".")
        found.pop((name, ending), None)
    return found


_PROVIDERS = frozenset(PROVIDERS)
KNOWN = _PROVIDERS | _BESIDE
_MISTYPED = _mistyped()
