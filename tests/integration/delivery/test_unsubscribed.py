"""Whoever presses the button of an email that arrived is not mailed by the same campaign's next claims.

Real workers, the demo inbox and the web server: what is pressed is what stands in the header that arrived.
"""

from __future__ import annotations

import email
import urllib.request
from dataclasses import replace
from email import policy
from typing import TYPE_CHECKING

from mailing import demo_inbox_file
from mailing.core.states import RecipientState
from mailing.suppression.purposes import Purpose
from tests.support.sent import DRAFT
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage

    from tests.support.stack import Stack

NEWS = replace(DRAFT, text="Dear {{ name }}, leave: {{ unsubscribe_url }}", purpose=Purpose("News"))


def arrived(stack: Stack) -> dict[str, EmailMessage]:
    """The latest email of each recipient in the demo inbox."""
    path = stack.folder / demo_inbox_file.FILE
    mails = {}
    for it in reversed(demo_inbox_file.latest(path, 100)):
        read = email.message_from_bytes(it.raw, policy=policy.default)
        mails[str(read["To"])] = read
    return mails


def press(stack: Stack, mail: EmailMessage) -> int:
    """Do what a mail provider does when its user presses the button (RFC 8058 section 3.2)."""
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = str(mail["List-Unsubscribe"]).strip("<>").partition("example")[2]
    url = f"http://127.0.0.1:{stack.web_port}{path}"
    with urllib.request.urlopen(url, b"List-Unsubscribe=One-Click", timeout=30) as answer:
        assert answer.url == url
        return int(answer.status)


def test_the_button_of_an_email_that_arrived_keeps_the_next_one_away(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=2, extra={"VOLLEY_URL": "https://mail.example"})
    stack.start("redis", "inbox", "worker", "beat")  # links need no web process that was there first
    people = [f"p{n}@x.example" for n in range(6)]
    stack.wait_for(stack.send(NEWS, people))
    mails = wait_until(lambda: len(found := arrived(stack)) == 6 and found, "all arrive")
    gone = mails["p2@x.example"]
    assert str(gone["List-Unsubscribe"]).strip("<>") in gone.get_content()
    stack.start("web")
    assert gone["List-Id"] == "<news.sender.example>"
    assert [press(stack, gone) for _ in range(2)] == [200, 200]
    again = stack.wait_for(stack.send(replace(NEWS, subject="Second"), people))
    assert again.counts[RecipientState.SUPPRESSED] == 1
    assert again.counts[RecipientState.SENT] == 5
    other = stack.wait_for(stack.send(replace(DRAFT, purpose=Purpose("Other")), people))
    assert other.counts[RecipientState.SENT] == 6
