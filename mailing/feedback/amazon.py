"""Amazon SES tells through Amazon SNS: its messages, what is signed of them, and the events in them. Pure.

A message is believed if it is of the topic that the webhook is for, and signed by a certificate from a host
of SNS (both versions of the signature: PKCS #1 v1.5 with SHA-1 or SHA-256).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from mailing.bounces.causes import BounceClass
from mailing.bounces.reading import Kind
from mailing.feedback.events import Event, at, known_by, listed, moment, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from cryptography.hazmat.primitives.hashes import HashAlgorithm

NOTIFICATION = "Notification"
CONFIRMATION = "SubscriptionConfirmation"
TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]{1,30}:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
_HOST = re.compile(r"sns\.[a-z0-9-]{1,30}\.amazonaws\.com(\.cn)?")
_CERTIFICATE = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]{1,64}\.pem")
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: Mapping[str, type[HashAlgorithm]] = {"1": SHA1, "2": SHA256}
_CLASSES = {"permanent": BounceClass.HARD, "transient": BounceClass.SOFT, "undetermined": BounceClass.SOFT}
_WORDS = {  # what SES tells by a name alone, as a server says it
    "mailboxfull": "mailbox full",
    "messagetoolarge": "message too large",
    "contentrejected": "message rejected for its content",
    "attachmentrejected": "message rejected for its content",
}


def is_of_sns(url: str, *, certificate: bool = False) -> bool:
    """Whether an address is one of SNS itself, over HTTPS; ``certificate``: one of its certificates."""
    try:
        parts = urlsplit(url)
        plain = parts.scheme == "https" and parts.port in {None, 443} and "@" not in parts.netloc
    except ValueError:
        return False
    ours = plain and _HOST.fullmatch(parts.hostname or "") is not None
    return ours and (not certificate or _CERTIFICATE.fullmatch(parts.path) is not None)


def signed_text(message: object) -> bytes:
    """Return what is signed of a message; empty if it is none."""
    names = _SIGNED.get(text(message, "Type"), ())
    lines: list[str] = []
    for name in names:
        value = at(message, name)
        if isinstance(value, str):
            lines += [name, value]
        elif name != "Subject":
            return b""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def is_signed(message: object, certificate: bytes, now: datetime) -> bool:
    """Whether a message was signed by who has this certificate (PEM), which must be valid ``now``."""
    algorithm, signed = _HASHES.get(text(message, "SignatureVersion")), signed_text(message)
    try:
        signature = base64.b64decode(text(message, "Signature"), validate=True)
        found = x509.load_pem_x509_certificate(certificate)
        key = found.public_key()
    except (ValueError, binascii.Error):
        return False
    if not signed or algorithm is None or not isinstance(key, RSAPublicKey):
        return False
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        return False
    try:
        key.verify(signature, signed, PKCS1v15(), algorithm())
    except InvalidSignature:
        return False
    return True


def events(document: object) -> Iterator[Event]:
    """Yield the events of SES in a message of SNS: one for each recipient, with a key of its own."""
    inner = at(document, "Message")
    try:
        it = orjson.loads(inner) if isinstance(inner, str) else None
    except orjson.JSONDecodeError:
        return
    name = (text(it, "notificationType") or text(it, "eventType")).lower()
    if name not in {"bounce", "complaint"}:
        return
    about = at(it, name)
    said = _CLASSES.get(text(about, "bounceType").lower()) if name == "bounce" else None
    kind = Kind.BOUNCED if name == "bounce" else Kind.COMPLAINED
    if text(about, "complaintFeedbackType") in {"not-spam", "auth-failure"}:
        return
    people = "bouncedRecipients" if name == "bounce" else "complainedRecipients"
    when = moment(at(about, "timestamp"))
    of = text(about, "feedbackId") or text(document, "MessageId")
    usual = _WORDS.get(text(about, "bounceSubType").lower(), "")
    for person in listed(at(about, people)):
        address = text(person, "emailAddress")
        words = text(person, "diagnosticCode").removeprefix("smtp;").strip() or usual
        key = known_by(name, of, address)
        yield Event(key, kind, address, it, said, text(person, "status"), words, when)
