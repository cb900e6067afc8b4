"""What providers post, with made-up people in it, and with the proofs that they would show."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from mailing.core.clock import now_ms
from mailing.feedback import amazon, proofs

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"
CONFIRM_URL = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
NOBODY = "550 5.1.1 <%s>: Recipient address rejected: User unknown"


class Sns:
    """An Amazon SNS with a certificate of its own."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
        made = made.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        signed = made.public_key(self.key.public_key()).sign(self.key, SHA256())
        self.certificate = signed.public_bytes(Encoding.PEM)

    def message(self, inner: object, *, version: str = "2", **more: str) -> dict[str, str]:
        """Return a signed message."""
        told = {
            "Type": "Notification",
            "MessageId": "5f2a",
            "TopicArn": TOPIC,
            "Message": inner if isinstance(inner, str) else json.dumps(inner),
            "Timestamp": "2026-11-27T06:00:00.000Z",
            "SignatureVersion": version,
            "SigningCertURL": CERTIFICATE_URL,
            **more,
        }
        algorithm = SHA1() if version == "1" else SHA256()
        signature = self.key.sign(amazon.signed_text(told), PKCS1v15(), algorithm)
        return {**told, "Signature": base64.b64encode(signature).decode()}

    def confirmation(self, url: str = CONFIRM_URL) -> dict[str, str]:
        """Return the message that asks whether the subscription is wanted."""
        return self.message(
            "You have chosen to subscribe.", Type=amazon.CONFIRMATION, Token="t", SubscribeURL=url
        )


def ses(email: str, *, source: str = "club@sender.example", feedback: str = "f1") -> dict[str, Any]:
    """Amazon SES on a dead mailbox."""
    person = {"emailAddress": email, "status": "5.1.1", "diagnosticCode": f"smtp; {NOBODY % email}"}
    bounce = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [person]}
    bounce |= {"feedbackId": feedback, "timestamp": iso()}
    return {"notificationType": "Bounce", "bounce": bounce, "mail": {"source": source, "messageId": "0102"}}


def sendgrid(email: str, event: str = "bounce", number: str = "1", **more: object) -> dict[str, object]:
    """An event of SendGrid."""
    told: dict[str, object] = {"email": email, "event": event, "timestamp": now_ms() // 1000}
    return {**told, "sg_event_id": f"sg-{event}-{number}", "smtp-id": "<x@y.example>", **more}


class SendGrid:
    """Signs as SendGrid does."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.verification_key = base64.b64encode(public).decode()

    def headers(self, body: bytes, at_s: int | None = None) -> dict[str, str]:
        """Return the headers of a request."""
        at = str(at_s if at_s is not None else now_ms() // 1000)
        signature = self._key.sign(at.encode() + body, ec.ECDSA(SHA256()))
        return {proofs.SIGNATURE: base64.b64encode(signature).decode(), proofs.TIMESTAMP: at}


def mailgun(
    key: str, email: str, *, token: str = "t" * 50, at_s: int | None = None, **event: Any
) -> dict[str, Any]:
    """A request of Mailgun."""
    at = str(at_s if at_s is not None else now_ms() // 1000)
    signature = hmac.digest(key.encode(), f"{at}{token}".encode(), "sha256").hex()
    told = {
        "event": "failed",
        "severity": "permanent",
        "reason": "bounce",
        "recipient": email,
        "timestamp": now_ms() / 1000,
        "delivery-status": {"code": 550, "message": f"5.1.1 {email}: User unknown"},
        "message": {"headers": {"message-id": "x@y.example"}},
    }
    signed = {"timestamp": at, "token": token, "signature": signature}
    return {"signature": signed, "event-data": {**told, **event}}


def postmark(email: str, kind: str = "HardBounce", number: int = 42, **more: object) -> dict[str, object]:
    """A bounce at Postmark."""
    told: dict[str, object] = {"RecordType": "Bounce", "Type": kind, "ID": number, "Email": email}
    return {**told, "MessageID": "8839", "BouncedAt": iso(), "Details": "", **more}


def brevo(email: str, event: str = "hard_bounce", **more: object) -> dict[str, object]:
    """An event of Brevo."""
    told: dict[str, object] = {"event": event, "email": email, "id": 26224, "ts_event": now_ms() // 1000}
    return {**told, "message-id": "<201798300811.5787683@relay.example>", "reason": "", **more}


def sparkpost(email: str, kind: str = "bounce", bounce_class: str = "10", **more: object) -> dict[str, Any]:
    """An event of SparkPost."""
    told: dict[str, object] = {
        "type": kind,
        "rcpt_to": email,
        "bounce_class": bounce_class,
        "event_id": "92356",
    }
    told |= {"timestamp": str(now_ms() // 1000), "raw_reason": ""}
    return {"msys": {"message_event": {**told, **more}}}


def basic(password: str, user: str = "volley") -> dict[str, str]:
    """Return the header of Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def iso(ago_s: int = 0) -> str:
    """Return a time as providers write it."""
    return (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")
