"""Signatures judged by others: dkimpy, and Mail::DKIM for Perl, each told what DNS would say."""

from __future__ import annotations

import shutil
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

import dkim as dkimpy
import pytest

from mailing.domains import keys, records
from mailing.domains.dkim import Algorithm, Key, Signer
from tests.support.processes import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DOMAIN = "sender.example"
RSA, ED25519 = (
    Key(algorithm[0], algorithm, key)
    for algorithm, key in zip(Algorithm, keys.generate([*Algorithm]), strict=True)
)
BOTH = Signer(DOMAIN, (RSA, ED25519))
_PERL = """
use strict; use warnings; use Mail::DKIM::Verifier; use Mail::DKIM::DNS; use Net::DNS::RR;
my @strings = unpack('(a255)*', $ARGV[0]);
{ no warnings 'redefine';
  *Mail::DKIM::DNS::query_async = sub {
    my ($name, $kind, %told) = @_;
    return sub { $told{Callbacks}{Success}->(
      Net::DNS::RR->new(name => $name, type => $kind, txtdata => [@strings])) };
  };
}
my $judge = Mail::DKIM::Verifier->new;
binmode STDIN; local $/; my $mail = <STDIN>;
$judge->PRINT($mail); $judge->CLOSE;
print join(' ', map { $_->domain . '=' . $_->result_detail } $judge->signatures), "\\n";
"""


def record_of(key: Key) -> str:
    """Return what DNS says of a key."""
    return records.value(key.algorithm, keys.public_of(key.private))


def published(signed_by: Iterable[Key], domain: str = DOMAIN) -> Mapping[str, str]:
    """Return the records of keys, by their names."""
    return {records.name(key.selector, domain): record_of(key) for key in signed_by}


def good(mail: bytes, there: Mapping[str, str]) -> list[bool]:
    """Return of each signature of an email, from the top, whether dkimpy finds it good."""

    def ask(name: bytes, timeout: float = 5) -> bytes:
        return there[name.decode().rstrip(".")].encode()

    judge = dkimpy.DKIM(mail)
    n = sum(name.lower() == b"dkim-signature" for name, _value in judge.headers)
    found = []
    for at in range(n):
        try:
            found.append(judge.verify(idx=at, dnsfunc=ask))
        except dkimpy.ValidationError:
            found.append(False)
    return found


def by_perl(mail: bytes, key: Key) -> str:
    """Return what Mail::DKIM says of the only signature: ``sender.example=pass``."""
    perl = shutil.which("perl")
    if not perl or run([perl, "-MMail::DKIM", "-e", "1"], capture_output=True).returncode:
        pytest.skip("NOT VERIFIED by a second program: the Debian package libmail-dkim-perl is missing")
    with TemporaryFile() as file:
        file.write(mail)
        file.seek(0)
        told = run([perl, "-e", _PERL, record_of(key)], stdin=file, capture_output=True, check=True)
    return str(told.stdout.decode().strip())
