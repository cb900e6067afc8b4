"""A Message-ID proves its own recipient, and nobody makes that of another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailing.messages import message_ids
from mailing.messages.message_ids import Marked

KEY = b"k" * 32


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.integers(0, 10**18 - 1))
def test_what_is_made_is_read_and_proves_its_recipient(token: str, recipient_id: int) -> None:
    made = message_ids.make(KEY, token, recipient_id, "x.example").decode()
    for form in (made, made.strip("<>")):  # some providers leave the brackets out
        marked = message_ids.read(form)
        assert marked is not None
        assert (marked.token, marked.recipient_id) == (token, recipient_id)
        assert message_ids.proves(KEY, marked, token)
        assert not message_ids.proves(b"another", marked, token)
        assert not message_ids.proves(KEY, marked._replace(recipient_id=recipient_id + 1), token)
        assert not message_ids.proves(KEY, marked, token + "x")


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    marked = message_ids.read(text)
    assert marked is None or isinstance(marked, Marked)


def test_without_a_key_there_is_no_mark_and_nothing_to_prove() -> None:
    assert message_ids.read(message_ids.make(b"", "t", 7, "x.example").decode()) is None
