"""A request is believed only with the provider's own proof, on the bytes as they came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.error import URLError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.clock import now_ms
from mailing.feedback import amazon, fetching, proofs
from mailing.feedback.fetching import Amazon, AwayError
from tests.support import feedback
from tests.support.feedback import CERTIFICATE_URL, SendGrid, Sns

SNS = Sns()
KEY = "key-0123456789"
NOW = datetime.now(UTC)


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_message_of_sns_is_believed_as_it_was_signed_and_no_other(version: str) -> None:
    message = SNS.message({"a": 1}, version=version, Subject="Hello")
    assert amazon.is_signed(message, SNS.certificate, NOW)
    for name in ("Message", "MessageId", "Subject", "Timestamp", "TopicArn"):
        assert not amazon.is_signed({**message, name: "other"}, SNS.certificate, NOW), name
    assert not amazon.is_signed(message, Sns().certificate, NOW)
    assert not amazon.is_signed(message, b"no certificate", NOW)
    assert not amazon.is_signed(message, SNS.certificate, NOW + timedelta(3))
    assert not amazon.is_signed({**message, "SignatureVersion": "3"}, SNS.certificate, NOW)
    without = {name: value for name, value in message.items() if name != "Subject"}
    assert not amazon.is_signed(without, SNS.certificate, NOW)


def test_a_confirmation_is_signed_with_its_url_and_token() -> None:
    message = SNS.confirmation()
    assert amazon.is_signed(message, SNS.certificate, NOW)
    for name in ("SubscribeURL", "Token"):
        assert not amazon.is_signed({**message, name: "other"}, SNS.certificate, NOW)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://evil.example#@sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com/other.pem",
        "https://[::1/x.pem",
        "",
    ],
)
def test_a_certificate_comes_from_sns_itself(url: str) -> None:
    assert not amazon.is_of_sns(url, certificate=True)
    with pytest.raises(ValueError, match=r".*"):
        Amazon().certificate(url)


class Opener:
    """Answers in the place of the internet."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers, self.asked = list(answers), 0

    def open(self, _url: str, timeout: float) -> Any:
        assert timeout
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer)


class Answer:
    """An answer that comes in pieces."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def read1(self, n: int) -> bytes:
        piece, self.data = self.data[:n], self.data[n:]
        return piece


def test_a_certificate_is_asked_for_once_and_a_host_that_is_away_not_at_once_again() -> None:
    opener = Opener(SNS.certificate)
    asks = Amazon(opener)  # type: ignore[arg-type]
    assert asks.certificate(CERTIFICATE_URL) == asks.certificate(CERTIFICATE_URL) == SNS.certificate
    assert opener.asked == 1
    for failure in (URLError("away"), b"x" * (fetching.BYTES_MOST + 1)):
        opener = Opener(failure)
        asks = Amazon(opener)  # type: ignore[arg-type]
        for _ in range(2):
            with pytest.raises(AwayError):
                asks.certificate(CERTIFICATE_URL)
        assert opener.asked == 1


def test_sendgrid_signs_the_time_and_the_body_as_they_came() -> None:
    grid, body = SendGrid(), b'[{"event": "bounce"}]'
    headers = grid.headers(body)
    signed, at = headers[proofs.SIGNATURE], headers[proofs.TIMESTAMP]
    key, now = grid.verification_key, now_ms()
    assert proofs.sendgrid(body, signed, at, key, now)
    assert not proofs.sendgrid(body + b" ", signed, at, key, now)
    assert not proofs.sendgrid(body, signed, str(int(at) + 1), key, now)
    assert not proofs.sendgrid(body, signed, at, SendGrid().verification_key, now)
    assert not proofs.sendgrid(body, signed, at, key, now + 2 * proofs.STALE_MS)
    assert not proofs.sendgrid(body, signed, at, "", now)


def test_mailgun_signs_the_time_and_the_token() -> None:
    document, now = feedback.mailgun(KEY, "ann@x.example"), now_ms()
    assert proofs.mailgun(document, KEY, now)
    assert not proofs.mailgun(document, KEY + "x", now)
    assert not proofs.mailgun(document, "", now)
    assert not proofs.mailgun(document, KEY, now + 2 * proofs.STALE_MS)
    other = {**document, "signature": {**document["signature"], "token": "u" * 50}}
    assert not proofs.mailgun(other, KEY, now)


@pytest.mark.parametrize(
    ("header", "right"),
    [
        (feedback.basic(KEY)["Authorization"], True),
        (feedback.basic(KEY, "anybody")["Authorization"], True),
        (f"Bearer {KEY}", True),
        (f"bearer {KEY}", True),
        (feedback.basic(KEY + "x")["Authorization"], False),
        (f"Digest {KEY}", False),
        ("Basic !!!", False),
        ("Bearer", False),
        ("", False),
    ],
)
def test_a_password_is_shown_with_basic_or_bearer(header: str, *, right: bool) -> None:
    assert proofs.password(header, KEY) is right
    assert not proofs.password(header, "")


@given(st.text(max_size=80), st.binary(max_size=80), st.text(max_size=80))
def test_any_text_proves_nothing(one: str, body: bytes, other: str) -> None:
    assert not proofs.sendgrid(body, one, other, SENDGRID, 0)
    assert not proofs.password(one, KEY)
    assert not proofs.mailgun({"signature": {"timestamp": one, "token": other, "signature": one}}, KEY, 0)
    assert not amazon.is_signed({"Type": "Notification", "Signature": one, "Message": other}, body, NOW)
    assert not amazon.is_of_sns(one)


SENDGRID = SendGrid().verification_key
