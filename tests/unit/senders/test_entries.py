"""What a person enters for a sender is judged as a whole, field by field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mailing.core.reasons import EntryError
from mailing.senders import entries
from mailing.senders.entries import Entry
from tests.support import certificates

GOOD = Entry("Club", "smtp.example.org", 587, username="club", password="secret")
OAUTH = Entry(
    "Club", "smtp.gmail.com", 587, username="c@example.org", auth="xoauth2", provider="google", client_id="id"
)


@pytest.mark.parametrize(
    "entry", [GOOD, OAUTH, Entry("x", "::1", 25, "none"), Entry("x", "bücher.example", 25)]
)
def test_a_sender_that_can_be_used_has_no_faults(entry: Entry) -> None:
    entries.check(entry)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", name) for name in ("", "  ", "\u200b", "x" * 101)),
        *(
            ("host", host)
            for host in ("", "a b", "a..b", "http://a.example", "a.example:587", "-" * 300, "a\0")
        ),
        *(("port", port) for port in (0, -1, 65_536)),
        ("tls", "ssl"),
        ("auth", "ntlm"),
        *(("connections", n) for n in (0, 101)),
        *(("ca", text) for text in ("x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")),
        ("username", "a\r\nDATA"),
        ("password", "p" * 4_097),
        ("password", "a\0b"),
        ("provider", "yahoo"),
    ],
)
def test_each_field_is_judged(field: str, value: Any) -> None:
    with pytest.raises(EntryError) as refused:
        entries.check(replace(GOOD, **{field: value}))
    assert field in refused.value.faults


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (replace(GOOD, username=""), "username"),
        (replace(GOOD, username="", password=None, auth="plain"), "username"),
        (replace(GOOD, auth="xoauth2"), "provider"),
        (replace(OAUTH, auth="plain"), "provider"),
        (replace(OAUTH, client_id=""), "client_id"),
        (replace(OAUTH, username=""), "username"),
        (replace(OAUTH, tenant="../common"), "tenant"),
    ],
)
def test_fields_that_belong_together_are_judged_together(entry: Entry, field: str) -> None:
    with pytest.raises(EntryError) as refused:
        entries.check(entry)
    assert field in refused.value.faults


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(EntryError) as refused:
        entries.check(Entry("", "", 0))
    assert refused.value.faults.keys() == {"name", "host", "port"}


def test_an_authority_of_ones_own_is_a_certificate(tmp_path: Any) -> None:
    certificate, _key = certificates.pair(tmp_path, "DNS:localhost")
    entries.check(replace(GOOD, ca=certificate.read_text()))


@pytest.mark.parametrize("text", ["-----BEGIN CERTIFICATE-----", "żółć", "a\x00b", "\ud800"])
def test_what_is_no_certificate_is_refused(text: str) -> None:
    with pytest.raises(EntryError) as refused:
        entries.check(replace(GOOD, ca=text))
    assert refused.value.faults.keys() == {"ca"}


def test_no_secret_shows_in_what_is_printed() -> None:
    assert "secret" not in repr(replace(GOOD, client_secret="also secret"))
