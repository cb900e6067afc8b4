"""What a server's certificate says (RFC 5280), in a sentence. It is untrusted text until it is verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from mailing.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = 5  # that are shown
LONGEST = 100  # characters of each


def described(der: bytes) -> Reason:
    """Return for whom a certificate is, who issued it, and from when to when it is valid (UTC)."""
    try:
        it = x509.load_der_x509_certificate(der)
        names = [_shown(name) for name in _names(it)]
        issuer = _common_name(it.issuer)
        since, until = it.not_valid_before_utc.date(), it.not_valid_after_utc.date()
    except (ValueError, x509.InvalidVersion):
        return Reason("dialogue.certificate-unreadable")
    more = ("…",) if len(names) > NAMES else ()
    return Reason(
        "dialogue.certificate",
        names=(*names[:NAMES], *more) or "?",
        issuer=_shown(issuer) or "?",
        since=since.isoformat(),
        until=until.isoformat(),
    )


def _names(it: x509.Certificate) -> Iterator[str]:
    """Yield the names for which it counts (RFC 9525 section 2)."""
    try:
        named = it.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        yield _common_name(it.subject)
        return
    assert isinstance(named, x509.SubjectAlternativeName)
    yield from named.get_values_for_type(x509.DNSName)
    yield from map(str, named.get_values_for_type(x509.IPAddress))


def _common_name(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return str(found[0].value)
    return ""


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:LONGEST])
