"""What providers post becomes events, by their own words and the servers'; no JSON makes anything raise."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.reading import Kind
from mailing.feedback import events, readers
from mailing.feedback.providers import Provider
from tests.support import feedback

ANN = "ann@x.example"
FULL = "552 5.2.2 Mailbox full"
BLOCKED = "554 5.7.1 Service unavailable; blocked using zen.spamhaus.org"


def ses(**bounce: object) -> dict[str, object]:
    told = feedback.ses(ANN)
    return {"Message": orjson.dumps({**told, "bounce": {**told["bounce"], **bounce}}).decode()}


def complaint(kind: str = "abuse") -> dict[str, object]:
    about = {
        "complainedRecipients": [{"emailAddress": ANN}],
        "feedbackId": "c",
        "complaintFeedbackType": kind,
    }
    return {"Message": orjson.dumps({"eventType": "Complaint", "complaint": about}).decode()}


@pytest.mark.parametrize(
    ("provider", "document", "kind", "cause"),
    [
        ("ses", ses(), Kind.BOUNCED, Cause.NO_MAILBOX),
        (
            "ses",
            ses(
                bounceType="Transient", bounceSubType="MailboxFull", bouncedRecipients=[{"emailAddress": ANN}]
            ),
            Kind.BOUNCED,
            Cause.FULL,
        ),
        ("ses", ses(bounceType="Transient"), Kind.BOUNCED, Cause.OTHER),
        ("ses", complaint(), Kind.COMPLAINED, None),
        ("sendgrid", [feedback.sendgrid(ANN, reason=feedback.NOBODY % ANN)], Kind.BOUNCED, Cause.NO_MAILBOX),
        (
            "sendgrid",
            [feedback.sendgrid(ANN, reason="500 unknown recipient")],
            Kind.BOUNCED,
            Cause.NO_MAILBOX,
        ),
        ("sendgrid", [feedback.sendgrid(ANN, type="blocked", reason=BLOCKED)], Kind.BOUNCED, Cause.POLICY),
        ("sendgrid", [feedback.sendgrid(ANN, reason=FULL)], Kind.BOUNCED, Cause.FULL),
        (
            "sendgrid",
            [feedback.sendgrid(ANN, "dropped", reason="Bounced Address")],
            Kind.BOUNCED,
            Cause.NO_MAILBOX,
        ),
        ("sendgrid", [feedback.sendgrid(ANN, "spamreport")], Kind.COMPLAINED, None),
        ("sendgrid", [feedback.sendgrid(ANN, "group_unsubscribe")], Kind.UNSUBSCRIBED, None),
        ("mailgun", feedback.mailgun("k", ANN), Kind.BOUNCED, Cause.NO_MAILBOX),
        ("mailgun", feedback.mailgun("k", ANN, reason="espblock"), Kind.BOUNCED, Cause.POLICY),
        ("mailgun", feedback.mailgun("k", ANN, reason="suppress-complaint"), Kind.COMPLAINED, None),
        ("mailgun", feedback.mailgun("k", ANN, event="complained"), Kind.COMPLAINED, None),
        ("mailgun", feedback.mailgun("k", ANN, event="unsubscribed"), Kind.UNSUBSCRIBED, None),
        ("postmark", feedback.postmark(ANN), Kind.BOUNCED, Cause.NO_MAILBOX),
        ("postmark", feedback.postmark(ANN, "SoftBounce"), Kind.BOUNCED, Cause.OTHER),
        ("postmark", feedback.postmark(ANN, "SpamNotification"), Kind.BOUNCED, Cause.POLICY),
        ("postmark", feedback.postmark(ANN, "AutoResponder"), Kind.REPLIED, None),
        (
            "postmark",
            feedback.postmark(ANN, "SpamComplaint", RecordType="SpamComplaint"),
            Kind.COMPLAINED,
            None,
        ),
        ("brevo", feedback.brevo(ANN), Kind.BOUNCED, Cause.NO_MAILBOX),
        ("brevo", feedback.brevo(ANN, "soft_bounce", reason=FULL), Kind.BOUNCED, Cause.FULL),
        ("brevo", feedback.brevo(ANN, "blocked"), Kind.BOUNCED, Cause.POLICY),
        ("brevo", [feedback.brevo(ANN, "spam")], Kind.COMPLAINED, None),
        ("brevo", feedback.brevo(ANN, "unsubscribed"), Kind.UNSUBSCRIBED, None),
        ("sparkpost", [feedback.sparkpost(ANN)], Kind.BOUNCED, Cause.NO_MAILBOX),
        (
            "sparkpost",
            [feedback.sparkpost(ANN, bounce_class="22", raw_reason=FULL)],
            Kind.BOUNCED,
            Cause.FULL,
        ),
        (
            "sparkpost",
            [feedback.sparkpost(ANN, bounce_class="51", raw_reason=BLOCKED)],
            Kind.BOUNCED,
            Cause.POLICY,
        ),
        ("sparkpost", [feedback.sparkpost(ANN, bounce_class="60")], Kind.REPLIED, None),
        ("sparkpost", [feedback.sparkpost(ANN, "spam_complaint")], Kind.COMPLAINED, None),
        ("sparkpost", [feedback.sparkpost(ANN, "list_unsubscribe")], Kind.UNSUBSCRIBED, None),
    ],
)
def test_events_say_who_and_why(provider: str, document: object, kind: Kind, cause: Cause | None) -> None:
    (event,) = readers.read(Provider(provider), document)
    assert (event.address, event.kind) == (ANN, kind)
    assert event.key
    taken = events.incoming(Provider(provider), event)
    assert taken.report.addresses == {ANN}
    assert taken.sworn
    if cause:
        assert taken.report.failures[0].cause is cause


@pytest.mark.parametrize(
    ("provider", "document"),
    [
        ("ses", {"Message": '{"notificationType": "Delivery"}'}),
        ("ses", complaint("not-spam")),
        ("sendgrid", [feedback.sendgrid(ANN, "delivered"), feedback.sendgrid(ANN, "deferred")]),
        ("sendgrid", [feedback.sendgrid(ANN, "dropped", reason="Recipient List over Package Quota")]),
        ("mailgun", feedback.mailgun("k", ANN, severity="temporary")),
        ("postmark", {"RecordType": "Delivery", "Recipient": ANN}),
        (
            "postmark",
            {
                "RecordType": "SubscriptionChange",
                "Recipient": ANN,
                "SuppressSending": True,
                "SuppressionReason": "HardBounce",
            },
        ),
        ("brevo", feedback.brevo(ANN, "deferred")),
        ("sparkpost", [feedback.sparkpost(ANN, "delay"), {"msys": {}}]),
    ],
)
def test_what_is_not_final_or_told_otherwise_is_left_out(provider: str, document: object) -> None:
    assert readers.read(Provider(provider), document) == []


def test_events_that_are_told_again_have_the_same_key_and_others_have_another() -> None:
    def keys(provider: Provider, *documents: object) -> set[str]:
        return {event.key for it in documents for event in readers.read(provider, it)}

    assert len(keys(Provider.SES, ses(), ses())) == 1
    two = [{"emailAddress": ANN}, {"emailAddress": "bob@x.example"}]
    assert len(keys(Provider.SES, ses(bouncedRecipients=two))) == 2
    assert (
        len(keys(Provider.POSTMARK, feedback.postmark(ANN, number=1), feedback.postmark(ANN, number=2))) == 2
    )
    signed = feedback.mailgun("k", ANN), feedback.mailgun("k", "bob@x.example")
    assert len(keys(Provider.MAILGUN, *signed)) == 1  # of Mailgun only the token is signed


@pytest.mark.parametrize("said", [*BounceClass, None])
@pytest.mark.parametrize("words", ["", FULL, BLOCKED, feedback.NOBODY % ANN, "421 try again later"])
def test_of_two_judgements_the_milder_counts(said: BounceClass | None, words: str) -> None:
    cause = events.settle(said, "", words)
    if said in {BounceClass.SOFT, BounceClass.POLICY}:
        assert cause.bounce_class is not BounceClass.HARD
    if words in {FULL, BLOCKED}:
        assert cause.bounce_class is not BounceClass.HARD


NAMES = st.sampled_from(
    [
        *("event", "email", "reason", "type", "timestamp", "status", "msys", "message_event", "rcpt_to"),
        *("event-data", "signature", "token", "severity", "delivery-status", "RecordType", "Type", "Email"),
        *("BouncedAt", "notificationType", "bounce", "bouncedRecipients", "emailAddress", "Message", "x"),
    ]
)
SAID = st.sampled_from(["bounce", "failed", "hard_bounce", "Bounce", "HardBounce", "permanent", ANN, "1e309"])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | SAID,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(st.sampled_from(Provider), ANY)
@settings(max_examples=300, deadline=None)
def test_any_json_is_read(provider: Provider, document: Any) -> None:
    if provider is Provider.SES:
        document = (
            {"Message": orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS).decode()}
            if _fits(document)
            else document
        )
    for event in readers.read(provider, document):
        if _fits(event.raw):
            events.incoming(provider, event)


def _fits(value: object) -> bool:
    """Whether it is something that JSON can hold."""
    try:
        orjson.loads(orjson.dumps(value))
    except (orjson.JSONEncodeError, orjson.JSONDecodeError):
        return False
    return True


@given(ANY)
def test_any_time_is_one_or_none(value: Any) -> None:
    found = events.moment(value)
    assert found is None or 0 <= abs(found) < 10**15
