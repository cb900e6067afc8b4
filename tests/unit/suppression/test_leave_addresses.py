"""Addresses by which people unsubscribe: short, proof against folded case, and of nobody else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailing.bounces.receiving import Dialogue
from mailing.suppression import leave_addresses
from mailing.suppression.leave_addresses import make, proves

KEY = "ab" * 32
LAST = 2**40 - 1


@given(st.integers(1, LAST), st.integers(1, LAST), st.emails())
def test_a_token_is_found_whatever_a_host_does_to_its_case(campaign: int, recipient: int, email: str) -> None:
    local = make(KEY, campaign, recipient, email)
    assert len(local) <= 64
    assert local == local.lower()
    for form in (local, local.upper(), local.swapcase()):
        (token,) = leave_addresses.find(f"{form}@b.example", b"")
        assert (token.campaign_id, token.recipient_id) == (campaign, recipient)
        assert proves(KEY, token, email.upper() if email.isascii() else email)


@given(st.binary(max_size=300), st.text(max_size=60))
def test_any_bytes_are_looked_through(raw: bytes, to: str) -> None:
    leave_addresses.find(to.encode("utf-8", "replace").decode(), b"To: " + raw)


@given(st.integers(2, 41), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_token_that_was_changed_proves_nothing(place: int, letter: str) -> None:
    local = make(KEY, 3, 7, "ann@x.example")
    forged = local[:place] + letter + local[place + 1 :]
    for token in leave_addresses.find(f"{forged}@b.example", b""):
        assert proves(KEY, token, "ann@x.example") == (forged == local)
        assert not proves(KEY, token, "bob@x.example")
        assert not proves("cd" * 32, token, "ann@x.example")


def test_cut_tokens_are_none() -> None:
    local = make(KEY, 3, 7, "ann@x.example")
    assert not leave_addresses.find(f"{local[:-1]}@b.example", b"")
    assert not leave_addresses.find(f"{local}a@b.example", b"")


def test_without_an_envelope_only_the_header_says_to_whom_it_is() -> None:
    local = make(KEY, 3, 7, "ann@x.example")
    to = f"To: Club\r\n <{local}@b.example>\r\nSubject: unsubscribe\r\n\r\n".encode()
    returned = (
        f"To: someone@b.example\r\nSubject: Returned\r\n\r\nList-Unsubscribe: <mailto:{local}@b.example>\r\n"
        f"To: {local}@b.example\r\n"
    ).encode()
    assert leave_addresses.find("", to)
    assert leave_addresses.find("", to.replace(b"\r\n", b"\n"))
    assert not leave_addresses.find("", returned)
    assert not leave_addresses.find("abuse@b.example", to)


def test_the_door_takes_mail_to_them() -> None:
    local = make(KEY, 3, 7, "ann@x.example")
    dialogue = Dialogue("b.example", "b.example")
    lines = (
        "EHLO x",
        "MAIL FROM:<ann@x.example>",
        f"RCPT TO:<{local}@b.example>",
        f"RCPT TO:<{local[:-1]}@b.example>",
    )
    dialogue.feed("".join(f"{it}\r\n" for it in lines).encode())
    replies = dialogue.proceed()[0].split(b"\r\n")
    assert replies[-3].startswith(b"250 2.1.5")
    assert replies[-2].startswith(b"550 5.1.1")
