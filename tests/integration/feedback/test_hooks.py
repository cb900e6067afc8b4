"""Providers post what came back: with proof it counts, once; without, or again, it changes nothing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from mailing.bounces import store as reports
from mailing.bounces.store import Counts
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.core.tables import recipients
from mailing.feedback import fetching, proofs, store
from mailing.feedback.fetching import AwayError
from mailing.feedback.providers import Provider
from mailing.feedback.tables import webhooks
from tasks.commands import bounces as commands
from tests.integration.bounces.test_recording import (
    ANN,
    address_of,
    counts,
    message_id_of,
    sent_campaign,
    suppressed,
)
from tests.support import feedback
from tests.support.feedback import SendGrid, Sns
from tests.support.undertakings import reachable as backend_of
from tests.support.web import HOST, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mailing.core.database import Database
    from mailing.feedback.store import Webhook
    from mailing.settings import Settings
    from tests.support.web import Visitor

SNS, GRID = Sns(), SendGrid()
MAILGUN_KEY = "key-0123456789abcdef"
BOB = "bob@x.example"


@pytest.fixture
async def visitor(db: Database, chosen: Settings) -> AsyncIterator[Visitor]:
    async with running(chosen) as visitor:
        yield visitor


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have Amazon's hosts answer here; return what they were asked for."""
    seen: list[str] = []

    def get(_self: object, url: str) -> bytes:
        seen.append(url)
        return SNS.certificate

    monkeypatch.setattr(fetching.Amazon, "_get", get)
    return seen


def made(db: Database, chosen: Settings, provider: Provider) -> tuple[Webhook, str]:
    """Make a webhook; return it with its secret."""
    given = {
        Provider.SES: feedback.TOPIC,
        Provider.SENDGRID: GRID.verification_key,
        Provider.MAILGUN: MAILGUN_KEY,
    }
    actor = Actor(ActorKind.VOLLEY)
    it = commands.create_webhook(backend_of(db), actor, provider, given.get(provider, ""), chosen.secret_key)
    return it, store.secret(it, chosen.secret_key)


async def post(
    visitor: Visitor, hook: Webhook, document: object, headers: dict[str, str] | None = None
) -> int:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    head = {"Host": HOST, "Content-Type": "text/plain", **(headers or {})}
    answer = await visitor.client.post(hook.path, data=body, headers=head)
    return answer.status_code


def told(provider: Provider, email: str, secret: str) -> tuple[bytes, dict[str, str]]:
    """Return the request by which a provider tells of a dead mailbox."""
    documents: dict[Provider, Any] = {
        Provider.SES: lambda: SNS.message(feedback.ses(email)),
        Provider.SENDGRID: lambda: [feedback.sendgrid(email, reason=feedback.NOBODY % email)],
        Provider.MAILGUN: lambda: feedback.mailgun(secret, email),
        Provider.POSTMARK: lambda: feedback.postmark(email),
        Provider.BREVO: lambda: feedback.brevo(email),
        Provider.SPARKPOST: lambda: [feedback.sparkpost(email)],
    }
    body = json.dumps(documents[provider]()).encode()
    if provider is Provider.SENDGRID:
        return body, GRID.headers(body)
    bare = provider in {Provider.SES, Provider.MAILGUN}
    return body, {} if bare else feedback.basic(secret)


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("provider", Provider)
async def test_a_dead_mailbox_counts_once_however_often_it_is_told(
    visitor: Visitor, db: Database, chosen: Settings, provider: Provider
) -> None:
    campaign_id = sent_campaign(db)
    hook, secret = made(db, chosen, provider)
    body, headers = told(provider, ANN, secret)
    answers = await asyncio.gather(*(post(visitor, hook, body, headers) for _ in range(4)))
    assert answers == [200] * 4
    assert counts(db, campaign_id) == Counts(hard=1)
    with db.read() as connection:
        (report,) = reports.find(connection)
        assert store.get(connection, hook.id).events == 1  # type: ignore[union-attr]
    assert (report.matched_by, report.source, report.email) == ("address", provider, ANN)
    assert suppressed(db) == {ANN: ("bounced", f"report {report.id}")}


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("provider", Provider)
async def test_without_its_proof_a_request_changes_nothing(
    visitor: Visitor, db: Database, chosen: Settings, provider: Provider
) -> None:
    campaign_id = sent_campaign(db)
    hook, secret = made(db, chosen, provider)
    body, headers = told(provider, ANN, secret)
    forged = {
        Provider.SES: json.dumps(Sns().message(feedback.ses(ANN))).encode(),
        Provider.SENDGRID: body + b" ",
        Provider.MAILGUN: json.dumps(feedback.mailgun("another-key", ANN)).encode(),
    }
    wrong = forged.get(provider, body)
    assert await post(visitor, hook, wrong, headers if provider in forged else feedback.basic("wrong")) == 401
    if provider is not Provider.MAILGUN and provider is not Provider.SES:
        assert await post(visitor, hook, body) == 401
    assert await post(visitor, hook, b"{", headers) in {400, 401}
    assert counts(db, campaign_id) == Counts()
    with db.read() as connection:
        assert not reports.find(connection)


async def test_the_email_is_found_by_its_bounce_address_or_message_id_before_the_address(
    visitor: Visitor, db: Database, chosen: Settings
) -> None:
    first, second = sent_campaign(db), sent_campaign(db)
    hook, secret = made(db, chosen, Provider.POSTMARK)
    by_token = feedback.postmark(ANN, number=1, From=address_of(db, first))
    by_id = feedback.postmark(BOB, number=2, Content=message_id_of(db, first, BOB))
    assert await post(visitor, hook, by_token, feedback.basic(secret)) == 200
    assert await post(visitor, hook, by_id, feedback.basic(secret)) == 200
    assert counts(db, first) == Counts(hard=2)
    assert counts(db, second) == Counts()
    with db.read() as connection:
        assert {it.matched_by for it in reports.find(connection)} == {"token", "message-id"}


async def test_an_address_alone_is_the_last_email_before_the_event_and_not_an_old_one(
    visitor: Visitor, db: Database, chosen: Settings
) -> None:
    campaign_id = sent_campaign(db)
    hook, secret = made(db, chosen, Provider.BREVO)
    long_ago, before = now_ms() // 1000 - 40 * 86_400, now_ms() // 1000 - 3_600
    for at in (long_ago, before):  # before anything was sent
        assert await post(visitor, hook, feedback.brevo(ANN, ts_event=at), feedback.basic(secret)) == 200
    assert await post(visitor, hook, feedback.brevo("eve@x.example"), feedback.basic(secret)) == 200
    assert counts(db, campaign_id) == Counts()
    assert not suppressed(db)


async def test_complaints_and_unsubscriptions_follow_as_by_mail(
    visitor: Visitor, db: Database, chosen: Settings
) -> None:
    campaign_id = sent_campaign(db)
    hook, _secret = made(db, chosen, Provider.SENDGRID)
    body = json.dumps([feedback.sendgrid(ANN, "spamreport"), feedback.sendgrid(BOB, "unsubscribe")]).encode()
    assert await post(visitor, hook, body, GRID.headers(body)) == 200
    assert counts(db, campaign_id) == Counts(complained=1)
    assert {email: why for email, (why, _) in suppressed(db).items()} == {
        ANN: "complained",
        BOB: "unsubscribed",
    }
    with db.read() as connection:  # as unsubscribed by the link of the email
        left = select(recipients.c.email).where(recipients.c.left_at.is_not(None))
        assert connection.execute(left).scalars().all() == [BOB]


async def test_a_token_of_mailgun_cannot_tell_a_second_event(
    visitor: Visitor, db: Database, chosen: Settings
) -> None:
    campaign_id = sent_campaign(db)
    hook, secret = made(db, chosen, Provider.MAILGUN)
    assert await post(visitor, hook, feedback.mailgun(secret, ANN)) == 200
    assert await post(visitor, hook, feedback.mailgun(secret, BOB)) == 200  # only the token is signed
    assert counts(db, campaign_id) == Counts(hard=1)
    old = now_ms() // 1000 - 2 * proofs.STALE_MS // 1000
    assert await post(visitor, hook, feedback.mailgun(secret, BOB, token="u" * 50, at_s=old)) == 401


async def test_a_subscription_is_confirmed_for_the_topic_at_sns_alone(
    visitor: Visitor, db: Database, chosen: Settings, asked: list[str]
) -> None:
    hook, _secret = made(db, chosen, Provider.SES)
    evil = SNS.confirmation("https://sns.evil.example/?Token=t")
    assert await post(visitor, hook, evil) == 401
    other = SNS.message(
        "x", Type="SubscriptionConfirmation", Token="t", SubscribeURL="x", TopicArn="arn:other"
    )
    assert await post(visitor, hook, other) == 401
    unsigned = {**SNS.confirmation(), "Signature": "AAAA"}
    assert await post(visitor, hook, unsigned) == 401
    assert feedback.CONFIRM_URL not in asked
    assert await post(visitor, hook, SNS.confirmation()) == 200
    assert asked == [feedback.CERTIFICATE_URL, feedback.CONFIRM_URL]
    with db.read() as connection:
        assert store.get(connection, hook.id).confirmed_at  # type: ignore[union-attr]


async def test_while_amazon_or_the_database_is_away_the_provider_is_asked_to_try_again(
    visitor: Visitor, db: Database, chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, _secret = made(db, chosen, Provider.SES)

    def away(*_given: object) -> bytes:
        raise AwayError

    monkeypatch.setattr(fetching.Amazon, "_get", away)
    assert await post(visitor, hook, SNS.message(feedback.ses(ANN))) == 503


async def test_whoever_posts_without_proof_is_heard_less_and_less(
    visitor: Visitor, db: Database, chosen: Settings
) -> None:
    hook, _secret = made(db, chosen, Provider.POSTMARK)
    answers = [await post(visitor, hook, {}, feedback.basic("guess")) for _ in range(25)]
    assert answers[:20] == [401] * 20
    assert answers[-1] == 429


async def test_a_hook_that_is_not_there_or_too_much_at_once_is_refused(
    visitor: Visitor, db: Database, chosen: Settings
) -> None:
    hook, secret = made(db, chosen, Provider.POSTMARK)
    other = await visitor.client.post(f"/hooks/brevo/{hook.id}", headers={"Host": HOST}, data=b"{}")
    assert other.status_code == 404
    assert await post(visitor, hook, b" " * (2 * 1024 * 1024 + 1), feedback.basic(secret)) == 413


async def test_the_page_makes_a_webhook_shows_its_url_and_takes_a_key(visitor: Visitor, db: Database) -> None:
    page = await visitor.read("/webhooks")
    assert "No webhooks yet." in page
    assert (await visitor.post("/webhooks", {"provider": "ses", "topic": "no arn"})).status_code == 422
    assert (await visitor.post("/webhooks", {"provider": "sendgrid"})).status_code == 303
    page = await visitor.read("/webhooks")
    assert "/hooks/sendgrid/" in page
    assert "The key is missing" in page
    with db.read() as connection:
        (hook,) = store.every(connection)
    assert (await visitor.post(f"/webhooks/{hook.id}/key", {"key": "no key"})).status_code == 422
    key = {"key": GRID.verification_key}
    assert (await visitor.post(f"/webhooks/{hook.id}/key", key)).status_code == 303
    assert "Nothing received yet" in await visitor.read("/webhooks")
    assert (await visitor.post("/webhooks", {"provider": "postmark"})).status_code == 303
    assert "Basic auth" in await visitor.read("/webhooks")
    assert (await visitor.post(f"/webhooks/{hook.id}/remove")).status_code == 303
    with db.read() as connection:
        (left,) = store.every(connection)
        kept = connection.execute(select(webhooks.c.secret)).scalar_one()
    assert left.provider is Provider.POSTMARK
    assert len(kept) > 40  # sealed


async def test_programs_make_and_remove_webhooks(visitor: Visitor) -> None:
    asked = {"headers": {"Host": HOST}}
    answer = await visitor.client.post("/api/v1/webhooks", json={"provider": "brevo"}, **asked)
    assert answer.status_code == 201
    shown = await answer.get_json()
    assert shown["password"]
    assert shown["url"].endswith(f"/hooks/brevo/{shown['id']}")
    one = f"/api/v1/webhooks/{shown['id']}"
    renewed = await (await visitor.client.post(f"{one}/key", json={}, **asked)).get_json()
    assert renewed["password"] not in {"", shown["password"]}
    assert "password" not in await (await visitor.get(one)).get_json()
    assert (
        await visitor.client.post("/api/v1/webhooks", json={"provider": "ses"}, **asked)
    ).status_code == 422
    assert (await visitor.client.delete(one, **asked)).status_code == 200
    assert (await visitor.get(one)).status_code == 404
