"""Commands: the only way by which pages, API and command line change anything.

Each names its actor. It changes the database in transactions of its own, and writes into the audit log in
the same; after the commit it publishes the news, gives work to the workers, and logs who asked. Only the
change itself may fail: ``NotAllowed`` with the reason, or the database. With Redis away it is stored all the
same, and the sweeper does the rest. What changes people and keys stands in ``people``.

All are blocking. A campaign and its list take two steps, as a long list is stored in a process of its own,
which knows no Redis: ``store`` or ``revise``, then ``announce``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mailing.accounts import audit, throttle
from mailing.accounts.throttle import Limit
from mailing.campaigns import drafts, growing, idempotency, lifecycle, share_links
from mailing.campaigns import queries as campaigns
from mailing.campaigns.lifecycle import NotAllowed
from mailing.contacts import origins
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction, CampaignState
from mailing.core.strides import Stride
from mailing.delivery import sweeper
from mailing.domains import health
from mailing.ledger import batches
from mailing.ledger.batches import Errand
from mailing.recipients import undertakings
from mailing.redis import events
from tasks import sending
from tasks.commands.backend import note

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.addresses.parsing import ParsedList
    from mailing.campaigns.drafts import Draft
    from mailing.campaigns.growing import Added
    from mailing.campaigns.queries import Campaign
    from mailing.contacts.origins import Origin
    from mailing.core.actors import Actor
    from mailing.core.database import Database
    from mailing.core.states import RecipientAction
    from mailing.library.files import FileRef
    from mailing.recipients.search import Choice
    from mailing.recipients.undertakings import Undertaking
    from mailing.reports.trials import Trial
    from tasks.commands.backend import Backend

RED = "campaign.domain-red"  # the code of a refusal that can be confirmed
AT_ONCE = 2_000  # recipients that a command moves within the request
TESTS = Limit(burst=5, every_ms=15_000)  # test sends of one person, and as often the links of a message
_STARTS = frozenset({CampaignAction.SEND, CampaignAction.RESUME})


@dataclass(frozen=True, slots=True)
class Once:
    """A call that may come twice: its Idempotency-Key, the hash of its body, and how it is answered."""

    key: str
    digest: str
    answer: Callable[[int, CampaignState], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a campaign that is committed. ``errands`` are batches that are due by it.

    Without a ``state`` it left the campaign as it was: a draft, or scheduled.
    """

    actor: Actor
    action: str
    campaign_id: int
    state: CampaignState | None = None
    errands: Sequence[Errand] = ()


def store(
    db: Database,
    actor: Actor,
    draft: Draft,
    parsed: ParsedList,
    *,
    taken_from: Sequence[Origin] = (),
    send: bool = False,
    once: Once | None = None,
    attached: Sequence[FileRef] = (),
    despite_red: bool = False,
) -> Change:
    """Store a campaign with its list: all of it, or nothing. Takes seconds for a long list.

    The saved lists that it was ``taken_from`` are noted with it. To ``send`` it, or to schedule it where the
    draft has a time, is part of its last transaction, and so is keeping the answer to a call that happens
    ``once``. ``attached`` are files that were kept. Raises ``ComposeError`` for an unusable message,
    ``UnfitError`` for files that it cannot have, ``NotAllowed`` for one that is to be sent and cannot be
    sent to everybody, or is of a red domain as ``act`` says, and ``IntegrityError`` where the same call was
    faster.
    """
    with drafts.creating(db, draft, parsed, ready=send, attached=attached) as (connection, campaign_id):
        state, errands = CampaignState.DRAFT, list[Errand]()
        action = CampaignAction.SEND if draft.schedule.send_at is None else CampaignAction.SCHEDULE
        if send:
            _refuse_red(connection, campaign_id, despite_red=despite_red)
            state = lifecycle.act(connection, campaign_id, action, checked=drafts.FIRST).state
            errands += batches.wake(connection, campaign_id) if action in _STARTS else ()
        if taken_from:
            origins.keep(connection, campaign_id, taken_from)
        if once:
            answer = once.answer(campaign_id, state)
            idempotency.keep(connection, once.key, once.digest, campaign_id, answer)
        audit.record(connection, actor, "create", _about(campaign_id), recipients=len(parsed.entries))
        if send:
            audit.record(connection, actor, action, _about(campaign_id))
    return Change(actor, "create", campaign_id, state, errands)


def revise(
    db: Database,
    actor: Actor,
    campaign_id: int,
    draft: Draft,
    parsed: ParsedList | None = None,
    *,
    taken_from: Sequence[Origin] = (),
    seen: int | None = None,
) -> Change:
    """Change a draft's message, and replace its list if one is given. Takes seconds for a long list.

    Raises ``NotAllowed`` once it is no draft, or was changed since the revision that was ``seen``, and
    ``ComposeError`` for an unusable message with a list.
    """
    if parsed is None:
        with db.write() as connection:
            drafts.rewrite(connection, campaign_id, draft, seen=seen)
            audit.record(connection, actor, "revise", _about(campaign_id))
    else:
        n = len(parsed.entries)

        def also(connection: Connection) -> None:
            origins.keep(connection, campaign_id, taken_from)
            audit.record(connection, actor, "revise", _about(campaign_id), recipients=n)

        drafts.revise(db, campaign_id, draft, parsed, seen=seen, also=also)
    return Change(actor, "revise", campaign_id)


def add(
    db: Database,
    actor: Actor,
    campaign_id: int,
    draft: Draft,
    parsed: ParsedList,
    *,
    taken_from: Sequence[Origin] = (),
    seen: int,
) -> tuple[Change, Added]:
    """Change a draft's message, and add to its list. Raises as ``revise`` does, and takes as long."""

    def also(connection: Connection) -> None:
        origins.add(connection, campaign_id, taken_from)
        audit.record(connection, actor, "add to list", _about(campaign_id))

    added = growing.add(db, campaign_id, parsed, seen=seen, draft=draft, also=also)
    return Change(actor, "add to list", campaign_id), added


def fix(db: Database, actor: Actor, campaign_id: int, box: str, *, seen: int) -> tuple[Change, Added]:
    """Fix the skipped lines of a draft, as the box with them holds them now. Raises as ``revise`` does."""
    told = partial(audit.record, actor=actor, action="fix list", subject=_about(campaign_id))
    added = growing.fix(db, campaign_id, box, seen=seen, also=told)
    return Change(actor, "fix list", campaign_id), added


def announce(backend: Backend, change: Change) -> bool:
    """Publish, enqueue and log a change that is committed; return whether the queue took its batches."""
    state = change.state or _state(backend.db, change.campaign_id)
    events.publish(backend.news, [events.campaign_changed(change.campaign_id, state)])
    note(change.actor, change.action, campaign_id=change.campaign_id)
    return sending.enqueue(backend.db, change.errands)


def act(
    backend: Backend,
    actor: Actor,
    campaign_id: int,
    action: CampaignAction,
    *,
    seen: int | None = None,
    despite_red: bool = False,
) -> Campaign:
    """Send, schedule, pause, resume or cancel a campaign; return how it stands then. Raises ``NotAllowed``.

    So it does for what would go to many from a domain that is red, unless that is confirmed: ``despite_red``.

    With the revision that was ``seen``, what is sent is what was seen, or nothing is. Moves the first of
    those whom a cancel leaves waiting; the sweep moves the others.
    """
    checked = None
    if action in lifecycle.CHECKED:
        with backend.db.read() as connection:
            checked = drafts.ready(connection, campaign_id)
        if seen not in {None, checked}:
            raise NotAllowed(Reason("campaign.changed", id=str(campaign_id)))
        with backend.db.read() as connection:
            _refuse_red(connection, campaign_id, despite_red=despite_red)
    with backend.db.write() as connection:
        campaign = lifecycle.act(connection, campaign_id, action, checked=checked)
        errands = batches.wake(connection, campaign_id) if action in _STARTS else ()
        audit.record(connection, actor, action, _about(campaign_id))
    announce(backend, Change(actor, action, campaign_id, campaign.state, errands))
    if action is CampaignAction.CANCEL:
        _cancel_first(backend.db, campaign_id)
        events.publish(backend.news, [events.campaign_changed(campaign_id, campaign.state)])
    with backend.db.read() as connection:
        campaign = campaigns.get(connection, campaign_id) or campaign
    if campaign.left_over:
        sending.ask_for_a_sweep()
    return campaign


def _refuse_red(connection: Connection, campaign_id: int, *, despite_red: bool) -> None:
    if not despite_red and (domain := health.red(connection, campaign_id)):
        raise NotAllowed(Reason(RED, domain=domain))


def decide(
    backend: Backend, actor: Actor, campaign_id: int, action: RecipientAction, choice: Choice
) -> Undertaking:
    """Retry, resend, mark as sent, skip or fail; return how many it moved, and whether it goes on.

    Moves the first of them, a piece per transaction; the sweep goes on with the others. Raises
    ``NotAllowed`` with the reason; whoever cancels or pauses in between ends it.
    """
    stride = Stride()
    with stride.write(backend.db) as connection:
        done, errands = undertakings.begin(connection, campaign_id, action, choice, stride.rows)
        whom = {"state": choice.state, "q": choice.q, "recipient": choice.recipient} if choice else {}
        audit.record(connection, actor, action, _about(campaign_id), **whom)
    announce(backend, Change(actor, action, campaign_id, done.campaign, errands))
    seen, begun = Stride().rows, done
    while done.going_on and seen < AT_ONCE:
        seen += stride.rows
        done = go_on(backend, done, stride)
    if done.moved > begun.moved:
        events.publish(backend.news, [events.campaign_changed(campaign_id, done.campaign)])
    if done.going_on or done.moved > begun.moved:
        sending.ask_for_a_sweep()
    return done


def go_on(backend: Backend, done: Undertaking, stride: Stride) -> Undertaking:
    """Move the next ones that a decision is about, which the log has already; return how it stands then."""
    with stride.write(backend.db) as connection:
        undertakings.go_on(connection, stride.rows, done.id)
        return undertakings.find(connection, done.id) or done


def make_watch_link(backend: Backend, actor: Actor, campaign_id: int, label: str, days: int) -> int:
    """Create a share link that is valid for some days; return its id.

    Raises ``NotAllowed`` if there are enough.
    """
    with backend.db.write() as connection:
        watch_id = share_links.create(connection, campaign_id, label, days)
        audit.record(connection, actor, "create share link", _about(campaign_id), label=label, days=days)
    note(actor, "create share link", campaign_id=campaign_id, watch_id=watch_id)
    return watch_id


def revoke_watch_link(backend: Backend, actor: Actor, campaign_id: int, watch_id: int) -> None:
    """Revoke a share link; revoking it again changes nothing."""
    with backend.db.write() as connection:
        share_links.revoke(connection, campaign_id, watch_id)
        audit.record(connection, actor, "revoke share link", _about(campaign_id), link=watch_id)
    note(actor, "revoke share link", campaign_id=campaign_id, watch_id=watch_id)


def begin_test(backend: Backend, actor: Actor, campaign_id: int, trial: Trial) -> None:
    """Let somebody send a test, a few times a minute. Raises ``NotAllowed``."""
    with backend.db.write() as connection:
        if wait := throttle.wait_s(connection, actor, "test send", TESTS):
            raise NotAllowed(Reason("test-send.too-many", n=wait))
        about = {"to": trial.to, "recipient": trial.person.email}
        audit.record(connection, actor, "test send", _about(campaign_id), **about)
    note(actor, "test send", campaign_id=campaign_id)


def begin_opening_links(backend: Backend, actor: Actor, campaign_id: int) -> None:
    """Let somebody have the links of a message opened, a few times a minute. Raises ``NotAllowed``."""
    with backend.db.write() as connection:
        if wait := throttle.wait_s(connection, actor, "open links", TESTS):
            raise NotAllowed(Reason("link.too-many", n=wait))
        audit.record(connection, actor, "open links", _about(campaign_id))
    note(actor, "open links", campaign_id=campaign_id)


def _state(db: Database, campaign_id: int) -> CampaignState:
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    return campaign.state if campaign else CampaignState.CANCELED


def _about(campaign_id: int) -> str:
    return f"campaign:{campaign_id}"


def _cancel_first(db: Database, campaign_id: int) -> None:
    """Cancel the first of those who wait, a piece per transaction, so that no worker's result waits long."""
    stride, moved, total = Stride(), 1, 0
    while moved and total < AT_ONCE:
        with stride.write(db) as connection:
            moved = sweeper.cancel_waiting(connection, campaign_id, stride.rows)
        total += moved
