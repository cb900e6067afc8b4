"""Where mail providers post what became of emails: ``/hooks/<provider>/<id>``.

There is no session and no token of a form: each request proves by itself that it comes from the provider, on
its bytes as they came, before anything of it is read. It is answered once its events are committed, so a
provider whose post fails tries again, and what comes twice counts once.

Whoever posts without proof is heard less and less; and no more than ``AT_ONCE`` posts are at work.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import orjson
import structlog
from quart import Blueprint, Response, current_app, request

from mailing.accounts.throttle import Limit
from mailing.core.clock import now_ms
from mailing.feedback import amazon, proofs, store
from mailing.feedback.events import text
from mailing.feedback.fetching import Amazon, AwayError
from mailing.feedback.providers import Proof, Provider
from mailing.redis import limits
from tasks.commands import bounces as commands
from webapp.http import auth, forms
from webapp.http.services import services

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.feedback.store import Webhook

blueprint = Blueprint("hooks", __name__)
BODY_MOST = 2 * 1024 * 1024  # bytes
AT_ONCE = 20  # requests of a process
FAILURES = Limit(burst=20, every_ms=3_000)  # of one address
_ADDRESSES_MOST = 10_000
_ASK_S = 12.0  # of Amazon, with the wait for its turn
_WHY = "each request carries the provider's own proof"
log = structlog.get_logger(__name__)


class Gate:
    """How many requests are at work in this process, and who has failed lately. For the event loop."""

    def __init__(self) -> None:
        self.amazon = Amazon()
        self.asking = asyncio.Semaphore(2)  # threads that wait for Amazon
        self._at_work = 0
        self._failed: dict[str, int] = {}

    @contextmanager
    def enter(self) -> Iterator[bool]:
        """Let a request in; False if too many are."""
        free = self._at_work < AT_ONCE
        self._at_work += free
        try:
            yield free
        finally:
            self._at_work -= free

    def wait_s(self, address: str) -> int:
        """Return for how many seconds an address is not heard."""
        taken = limits.take(self._failed.get(address, 0), now_ms(), FAILURES)[1]
        return -(-taken.wait_ms // 1000)

    def failed(self, address: str) -> None:
        """Note a request without proof."""
        if len(self._failed) >= _ADDRESSES_MOST:
            self._failed.clear()
        self._failed[address] = limits.take(self._failed.get(address, 0), now_ms(), FAILURES)[0]


@blueprint.post("/hooks/<provider>/<id:webhook_id>")
@auth.open_to_all(_WHY, always=True)
async def take(provider: str, webhook_id: int) -> Response:
    """Take in the events of a request."""
    gate, address = _gate(), request.remote_addr or ""
    if wait_s := gate.wait_s(address):
        return _said(429, "Too many requests without proof.", {"Retry-After": str(wait_s)})
    with gate.enter() as free:
        if not free:
            return _said(503, "Too many requests.", {"Retry-After": "5"})
        webhook = await services().read(store.get, webhook_id)
        if webhook is None or webhook.provider != provider:
            gate.failed(address)
            return _said(404, "There is no such webhook.")
        answer = await _take(gate, webhook)
        if answer.status_code in {400, 401}:
            gate.failed(address)
            log.warning("a webhook's request is refused", provider=provider, webhook=webhook_id)
        return answer


async def _take(gate: Gate, webhook: Webhook) -> Response:
    svc = services()
    secret = await asyncio.to_thread(store.secret, webhook, svc.settings.secret_key)
    if webhook.proof is Proof.PASSWORD and not proofs.password(
        request.headers.get("Authorization", ""), secret
    ):
        return _said(401, "The password is missing or wrong.", {"WWW-Authenticate": 'Basic realm="Volley"'})
    body = await forms.body(BODY_MOST)
    if webhook.provider is Provider.SENDGRID:
        signed, at = (request.headers.get(it, "") for it in (proofs.SIGNATURE, proofs.TIMESTAMP))
        if not await asyncio.to_thread(proofs.sendgrid, body, signed, at, secret, now_ms()):
            return _said(401, "The signature is missing, old or wrong.")
    try:
        document = await asyncio.to_thread(orjson.loads, body)
    except orjson.JSONDecodeError:
        return _said(400, "This is no JSON.")
    if webhook.provider is Provider.MAILGUN and not proofs.mailgun(document, secret, now_ms()):
        return _said(401, "The signature is missing, old or wrong.")
    if webhook.provider is Provider.SES and (refused := await _of_amazon(gate, webhook, document)):
        return refused
    await svc.do(commands.take_events, webhook, document)
    return _said(200, "Taken.")


async def _of_amazon(gate: Gate, webhook: Webhook, message: object) -> Response | None:
    """Prove a message of SNS, and confirm a subscription; return an answer where that is all there is to do.

    The message stands in JSON and names its own certificate: it is read for these, and for nothing else
    before it is proven.
    """
    if text(message, "TopicArn") != webhook.topic:
        return _said(401, "This is another topic.")
    url, confirms = text(message, "SubscribeURL"), text(message, "Type") == amazon.CONFIRMATION
    try:
        async with asyncio.timeout(_ASK_S), gate.asking:
            certificate = await asyncio.to_thread(gate.amazon.certificate, text(message, "SigningCertURL"))
            if not amazon.is_signed(message, certificate, datetime.now(UTC)):
                return _said(401, "The signature is wrong.")
            if confirms:
                await asyncio.to_thread(gate.amazon.confirm, url)
    except ValueError:
        return _said(401, "This address is not one of Amazon SNS.")
    except (AwayError, TimeoutError):
        return _said(503, "Amazon SNS does not answer.", {"Retry-After": "30"})
    if confirms:
        await services().do(commands.confirm_webhook, webhook.id)
        return _said(200, "Confirmed.")
    return None


def _gate() -> Gate:
    """Return the gate of this web process."""
    found = current_app.extensions.get("hooks_gate")
    if found is None:
        found = current_app.extensions["hooks_gate"] = Gate()
    return cast("Gate", found)


def _said(status: int, words: str, headers: dict[str, str] | None = None) -> Response:
    """Answer a program."""
    more = {"Cache-Control": "no-store", **(headers or {})}
    return Response(f"{words}\n", status, more, content_type="text/plain; charset=utf-8")
