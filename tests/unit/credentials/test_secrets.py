"""No secret goes anywhere but where it was given for."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from mailing.core.reasons import EntryError
from mailing.credentials import secrets
from mailing.mailboxes.entries import Entry
from mailing.mailboxes.store import Mailbox

KEPT = Mailbox(
    **dict.fromkeys(Mailbox.__dataclass_fields__, "")
    | {
        "id": 3,
        "name": "Bounces",
        "protocol": "imap",
        "host": "imap.example.org",
        "port": 993,
        "tls": "tls",
        "verify": True,
        "username": "ann",
        "password": "sealed",
        "refresh_token": "sealed",
        "removes": False,
    }
)
SAME = Entry("Bounces", "imap.example.org", 993, "ann")


def emptied(entry: Entry) -> dict[str, str]:
    return secrets.emptied(KEPT, entry, asdict(entry))


def test_what_changes_nothing_of_where_it_signs_in_takes_nothing_away():
    assert emptied(replace(SAME, name="Others", removes=True)) == {}


def test_a_password_for_another_server_must_be_entered_again():
    with pytest.raises(EntryError) as refused:
        emptied(replace(SAME, host="imap.example.net"))
    assert [*refused.value.faults] == ["password"]
    assert emptied(replace(SAME, host="imap.example.net", password="new")) == {"refresh_token": ""}
    assert emptied(replace(SAME, host="imap.example.net", password="")) == {"refresh_token": ""}


def test_by_the_way_of_a_provider_a_kept_password_does_not_come_to_another_server():
    """It stayed once: back at passwords, it would have gone to the new server."""
    entry = replace(SAME, host="imap.example.net", provider="google", client_id="c")
    assert emptied(entry) == {"refresh_token": "", "password": ""}


@pytest.mark.parametrize("change", [{"client_id": "c"}, {"tenant": "t"}, {"username": "bob"}])
def test_a_consent_counts_only_for_the_account_and_the_application_it_was_given_to(change: dict[str, str]):
    assert emptied(replace(SAME, **change)) == {"refresh_token": ""}


def test_of_secrets_that_change_only_the_names_are_told():
    entry = replace(SAME, port=143, password="hidden", client_secret="")
    assert secrets.changes(KEPT, replace(entry, folder="")) == "port, password, client_secret"
    assert secrets.changes(None, entry) == ""


def test_a_secret_that_is_left_out_stays_and_an_empty_one_is_emptied():
    sealed = secrets.sealed("k" * 32, "mailbox:3", replace(SAME, client_secret=""))
    assert sealed == {"client_secret": ""}
    sealed = secrets.sealed("k" * 32, "mailbox:3", replace(SAME, password="hidden"))
    assert secrets.unsealed("k" * 32, "mailbox:3", "password", sealed["password"]) == "hidden"
