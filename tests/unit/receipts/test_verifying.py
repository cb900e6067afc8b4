"""Whatever is changed in a receipt is found, and the line is named."""

from __future__ import annotations

import io
import os

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.states import RecipientState
from mailing.receipts.keys import public_of
from mailing.receipts.verifying import SpoiledError, Verified, verify
from tests.support.receipts import ANOTHER, KEY, person, receipt

WHOLE = receipt(person(3), person(5, "failed", attempts=2), person(9, "unknown"), person(11))
LINES = WHOLE.splitlines(keepends=True)


def checked(data: bytes, key: str | None = None) -> Verified:
    return verify(io.BytesIO(data), key)


def spoiled(data: bytes, key: str | None = None) -> SpoiledError:
    with pytest.raises(SpoiledError) as caught:
        checked(data, key)
    return caught.value


def line_of(place: int) -> int:
    return WHOLE.count(b"\n", 0, place) + 1


def test_a_whole_receipt_says_what_became_of_everybody():
    found = checked(WHOLE, public_of(KEY))
    assert found.ledger == {
        **dict.fromkeys(RecipientState, 0),
        RecipientState.SENT: 2,
        RecipientState.FAILED: 1,
        RecipientState.UNKNOWN: 1,
    }
    assert (found.recipients, found.attempts, found.lines) == (4, 5, 6)
    assert found.campaign["subject"] == "News"
    assert found.public_key == public_of(KEY)


def test_a_receipt_of_nobody_is_whole():
    assert checked(receipt()).recipients == 0


def test_every_line_is_json_with_its_number_first_and_its_chain_last():
    for number, line in enumerate(LINES, 1):
        said = orjson.loads(line)
        assert next(iter(said.items())) == ("n", number)
        assert "chain" in list(said)[-2:]
    assert list(orjson.loads(LINES[-1])) == ["n", "end", "chain", "signature"]


def test_each_bit_of_it_counts():
    for place in range(len(WHOLE)):
        for bit in (1, 32):  # another sign, and the other case of a letter
            changed = WHOLE[:place] + bytes([WHOLE[place] ^ bit]) + WHOLE[place + 1 :]
            error = spoiled(changed)
            assert error.line in {line_of(place), line_of(place) + 1}, (place, bit, str(error))


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_byte_can_be_another_one(place: int, change: int):
    error = spoiled(WHOLE[:place] + bytes([WHOLE[place] ^ change]) + WHOLE[place + 1 :])
    assert error.line in {line_of(place), line_of(place) + 1}  # a line end that is gone makes one of two


@given(st.integers(0, len(WHOLE)), st.binary(min_size=1, max_size=80))
def test_nothing_can_be_put_into_it(place: int, more: bytes):
    spoiled(WHOLE[:place] + more + WHOLE[place:])


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, len(WHOLE)))
def test_nothing_can_be_taken_out_of_it(start: int, size: int):
    spoiled(WHOLE[:start] + WHOLE[start + size :])


@given(st.permutations(range(len(LINES))))
def test_its_lines_have_one_order(order: list[int]):
    data = b"".join(LINES[number] for number in order)
    if data == WHOLE:
        assert checked(data)
    else:
        wrong = next(at for at, number in enumerate(order) if at != number) + 1
        assert spoiled(data).line == wrong


@pytest.mark.parametrize("n", range(len(LINES)))
def test_a_line_that_is_missing_or_there_twice_is_named(n: int):
    without, twice = (
        spoiled(b"".join(LINES[:n] + LINES[n + 1 :])),
        spoiled(b"".join(LINES[: n + 1] + LINES[n:])),
    )
    assert without.line == n + 1
    assert twice.line == n + 2
    last = n == len(LINES) - 1
    assert without.reason.code == ("receipt.cut" if last else "receipt.none" if n == 0 else "receipt.missing")
    assert twice.reason.code == ("receipt.added" if last else "receipt.again")


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"", "receipt.empty", 1),
        (b"\n", "receipt.none", 1),
        (b"{}\n", "receipt.none", 1),
        (b"\xff\xfe" + os.urandom(200), "receipt.none", 1),
        (b"\xef\xbb\xbf" + WHOLE, "receipt.none", 1),
        (WHOLE.replace(b"\n", b"\r\n"), "receipt.none", 1),
        (WHOLE[:-1], "receipt.broken", 6),
        (WHOLE + b"\n", "receipt.added", 7),
        (WHOLE + LINES[-1], "receipt.added", 7),
        (WHOLE + WHOLE, "receipt.added", 7),
        (WHOLE.replace(b'"failed"', b'"sent"', 1), "receipt.changed", 1),
        (WHOLE.replace(b"a5@example.org", b"b5@example.org"), "receipt.changed", 3),
        (LINES[0] + b'{"n":2}\n', "receipt.changed", 2),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data: bytes, code: str, line: int):
    error = spoiled(data)
    assert (error.reason.code, error.line) == (code, line)
    assert str(error)


def test_who_changes_a_receipt_and_signs_it_again_is_found_out_by_the_known_key():
    forged = receipt(person(3), person(5, "sent"), key=ANOTHER)
    assert checked(forged).public_key == public_of(ANOTHER), "whole in itself"
    assert spoiled(forged, public_of(KEY)).reason.code == "receipt.other-key"


def test_a_key_that_is_only_named_does_not_sign():
    forged = receipt(person(3), key=ANOTHER, head={"public_key": public_of(KEY)})
    assert spoiled(forged, public_of(KEY)).reason.code == "receipt.unsigned"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (receipt(person(3), head={"ledger": {}}), "receipt.unequal"),
        (receipt(person(3), head={"recipients": 2}), "receipt.unequal"),
        (receipt(person(3), end={"attempts": 2}), "receipt.unequal"),
        (receipt(person(3), end={"recipients": 4}), "receipt.unequal"),
        (receipt(person(3), person(3)), "receipt.twice"),
        (receipt(person(3), person(2)), "receipt.twice"),
        (receipt(person(3, "delivered")), "receipt.malformed"),
        (receipt({"id": 3}), "receipt.malformed"),
        (receipt(head={"format": 2}), "receipt.format"),
        (receipt(head={"public_key": None}), "receipt.unsigned"),
        (receipt(head={"public_key": "00" * 32}), "receipt.unsigned"),
        (receipt(head={"public_key": "é"}), "receipt.unsigned"),
    ],
)
def test_a_signed_file_that_contradicts_itself_is_no_receipt(data: bytes, code: str):
    """Nobody makes such a file but a program with a fault, or one that signs with a key of its own."""
    assert spoiled(data).reason.code == code


def test_a_key_is_known_in_capitals_too():
    assert checked(WHOLE, f" {public_of(KEY).upper()}\n")
