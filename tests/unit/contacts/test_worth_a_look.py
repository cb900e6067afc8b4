"""Addresses that are worth a look, and domains that receive no email: what is said, what is left alone."""

from __future__ import annotations

import asyncio

import pytest

from mailing.contacts import mail_exchangers, worth_a_look
from mailing.contacts.mail_exchangers import NO_DOMAIN, NO_EXCHANGER
from mailing.contacts.notes import NoteKind
from mailing.contacts.storing import Arrival
from mailing.contacts.worth_a_look import PROVIDERS, suggest


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gmaill.com", "gmail.com"),
        ("gnail.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmial.con", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("hotmial.com", "hotmail.com"),
        ("yahooo.com.vn", "yahoo.com.vn"),
        ("hotmail.couk", "hotmail.co.uk"),
        ("icloud.cm", "icloud.com"),
    ],
)
def test_a_slip_in_a_big_providers_domain_is_told(typed: str, meant: str) -> None:
    assert suggest(typed) == meant


@pytest.mark.parametrize(
    "domain",
    [
        *PROVIDERS,
        *("mail.com", "ymail.com", "email.com", "cloud.com", "yahoo.ca", "hotmail.nl", "live.be"),
        *("truong.example", "gmail.example.org", "school.edu.vn", "example.co", "g.com"),
    ],
)
def test_a_domain_that_may_be_right_is_left_alone(domain: str) -> None:
    assert suggest(domain) == ""


def said(email: str) -> list[tuple[NoteKind, str]]:
    found = worth_a_look.look(Arrival(1, email), email.rpartition("@")[2])
    return [(note.kind, str(note.reason)) for note in found]


def test_an_address_may_be_worth_a_look_for_several_reasons() -> None:
    role = (NoteKind.NOTED, "an address of a role or team, not of one person")
    disposable = (NoteKind.NOTED, "a disposable address, which soon stops working")
    assert said("ann@school.example") == []
    assert said("Info@school.example") == [role]
    assert said("ann@mailinator.com") == said("ann@sub.mailinator.com") == [disposable]
    assert said("info@gmial.com") == [(NoteKind.SUGGESTED, "Did you mean info@gmail.com?"), role]


def judged(domains: list[str], answers: dict[str, str | None]) -> tuple[dict[str, str], list[str]]:
    asked: list[str] = []

    async def ask(domain: str) -> str | None:
        asked.append(domain)
        await asyncio.sleep(0)
        return answers.get(domain)

    return dict(asyncio.run(mail_exchangers.judge(domains, ask))), asked


def test_of_domains_only_those_that_surely_receive_nothing_are_told() -> None:
    answers = {
        "gone.example": NO_DOMAIN,
        "mute.example": NO_EXCHANGER,
        "good.example": "",
        "slow.example": None,
    }
    found, asked = judged([*answers], answers)
    assert found == {"gone.example": NO_DOMAIN, "mute.example": NO_EXCHANGER}
    assert sorted(asked) == sorted(answers)


def test_where_dns_never_answers_asking_ends_early() -> None:
    found, asked = judged([f"d{n}.example" for n in range(1_000)], {})
    assert found == {}
    assert len(asked) < 2 * mail_exchangers.SILENT_MAX


def test_asking_ends_after_a_time_with_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_exchangers, "ALL_S", 0.05)

    async def ask(domain: str) -> str | None:
        if domain != "gone.example":
            await asyncio.Event().wait()
        return NO_DOMAIN

    assert asyncio.run(mail_exchangers.judge(["gone.example", "slow.example"], ask)) == {
        "gone.example": NO_DOMAIN
    }
