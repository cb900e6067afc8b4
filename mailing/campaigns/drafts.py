"""Drafts: what a person writes, stored with its list piece by piece, however long the list is.

Each piece is a short transaction, so nobody waits long for the lock. Until the last one, a new campaign is
not there for anybody, and one whose list is replaced, or added to, cannot be sent. What a process that dies
halfway leaves behind, ``remove_remains`` removes: a list that was being added to is as it was before.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from mailing.campaigns import queries as campaigns
from mailing.campaigns import readiness, versions
from mailing.campaigns.lifecycle import NotAllowed, may, refusal
from mailing.campaigns.queries import HOUR_S, THERE, WHOLE
from mailing.contacts import origins
from mailing.core.bounds import GIVE_UP_USUALLY
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction, CampaignState, sources
from mailing.core.strides import STORED, Stride
from mailing.core.tables import campaigns as table
from mailing.core.tables import storings
from mailing.ledger.breaker import USUAL, Breaker
from mailing.library import files
from mailing.lists import store as lists
from mailing.lists import surveys
from mailing.lists.store import NOTHING, End, Pieces, Storing
from mailing.messages import compose
from mailing.messages.compose import ComposeError
from mailing.schedules.schedule import ANY_TIME, Schedule
from mailing.senders import routes
from mailing.suppression.purposes import BULK, Purpose
from mailing.writing import written
from mailing.writing.written import Writing, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.addresses.parsing import ParsedList
    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.library.files import FileRef
    from mailing.lists.surveys import Survey
    from mailing.messages.compose import Message

FIRST = 0  # the revision of a draft that was never changed
AT_ONCE = 1_000  # rows of a list that one transaction stores
REST_S = 0.002  # between two pieces: who waits for the lock looks for it every half millisecond
LEFT_BEHIND_MS = 60_000  # a list that has not grown for this long has lost its process
_PROBE = "unsent"  # in a message that is composed only to see whether it can be

Also: TypeAlias = "Callable[[Connection], object]"
"""What is done in the last transaction of a change, too."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person writes. ``priority`` 0 leaves before 9; ``give_up_hours`` is one of ``GIVE_UP_HOURS``.

    ``text``, ``html``, ``preheader`` and ``writing`` are what ``written.Written`` says of them. Without a
    ``breaker`` it does not pause for its failures; ``canary`` is how many are sent first, 0 for none.
    """

    sender_from: str
    subject: str
    text: str = ""
    html: str = ""
    priority: int = 5
    give_up_hours: int = GIVE_UP_USUALLY
    preheader: str = ""
    writing: Writing = Writing.SOURCE
    breaker: Breaker | None = USUAL
    canary: int = 0
    schedule: Schedule = ANY_TIME
    route: routes.Route = routes.USUAL
    purpose: Purpose = BULK

    @classmethod
    def of(cls, campaign: Campaign, written: Written | None = None) -> Draft:
        """Return a campaign as a draft, with what is ``written`` now if that has changed."""
        it = written or campaign.written
        timing = (campaign.priority, campaign.give_up_hours)
        guards = (campaign.breaker, campaign.canary, campaign.schedule, campaign.route, campaign.purpose)
        whole = (it.sender_from, it.subject, it.text, it.html, *timing, it.preheader, it.writing, *guards)
        return cls(*whole)

    @property
    def written(self) -> Written:
        """What was written, without what else belongs to a draft."""
        return Written(
            sender_from=self.sender_from,
            subject=self.subject,
            preheader=self.preheader,
            writing=self.writing,
            text=self.text,
            html=self.html,
        )

    @property
    def message(self) -> Message:
        """The message to compose. Raises ``ComposeError``."""
        return written.compile_message(self.written)


@contextmanager
def creating(
    database: Database,
    draft: Draft,
    parsed: ParsedList,
    *,
    ready: bool = False,
    attached: Sequence[FileRef] = (),
) -> Iterator[tuple[Connection, int]]:
    """Store a draft with its list; the body runs in the last transaction, with the new campaign's id.

    If the body raises, or anything else does, nothing is stored. Raises ``ComposeError`` for an unusable
    message, ``UnfitError`` for files that it cannot have, and ``NotAllowed`` for one that must be ``ready``
    and cannot be sent to everybody: else the body may send revision ``FIRST``. Blocking, for seconds where
    the list is long.
    """
    survey = surveys.survey(parsed)
    encoded = files.encoded_size(attached)
    if not ready:
        check(draft)
    elif found := readiness.faults(draft.message, len(parsed.entries), survey.shapes, encoded, draft.purpose):
        raise NotAllowed(*found)
    if lists.size(parsed) <= AT_ONCE:
        with database.write() as connection:
            campaign_id = store(connection, draft, parsed, survey)
            files.set_for(connection, campaign_id, attached)
            yield connection, campaign_id
        return
    with database.write() as connection:
        campaign_id = _begin(connection, draft)
        hold = Hold(connection, campaign_id, fresh=True)
    with storing(database, hold, Storing(campaign_id, parsed, survey)) as connection:
        files.set_for(connection, campaign_id, attached)
        yield connection, campaign_id


def create(database: Database, draft: Draft, parsed: ParsedList) -> int:
    """Store a draft as ``creating`` does; return the campaign's id."""
    with creating(database, draft, parsed) as (_connection, campaign_id):
        return campaign_id


def nothing(_connection: Connection) -> None:
    """Do no more."""


def revise(
    database: Database,
    campaign_id: int,
    draft: Draft,
    parsed: ParsedList,
    *,
    seen: int | None = None,
    also: Also = nothing,
) -> None:
    """Change a draft and replace its list; ``also`` runs in the last transaction. Blocking.

    Raises ``NotAllowed`` as ``rewrite`` does, and ``ComposeError`` for an unusable message.
    """
    check(draft)
    new_list = Storing(campaign_id, parsed, surveys.survey(parsed))
    with database.write() as connection:
        rewrite(connection, campaign_id, draft, seen=seen)
        origins.keep(connection, campaign_id, ())  # those of the list that is being replaced
        hold = Hold(connection, campaign_id, fresh=False)
    with storing(database, hold, new_list) as connection:
        also(connection)


def store(connection: Connection, draft: Draft, parsed: ParsedList, survey: Survey) -> int:
    """Store a draft and its short list; return its id. Its message was found good, its list surveyed."""
    campaign_id = _begin(connection, draft)
    lists.store(connection, campaign_id, parsed, survey)
    grow(connection, campaign_id, len(parsed.entries))
    return campaign_id


def rewrite(connection: Connection, campaign_id: int, draft: Draft, *, seen: int | None = None) -> None:
    """Change a draft's message to one that was found good.

    Raises ``NotAllowed`` once it is no draft, or was changed since the revision that was ``seen``.
    """
    _change(connection, campaign_id, seen, THERE, **_columns(connection, draft))


def refile(
    connection: Connection, campaign_id: int, refs: Iterable[FileRef], seen: int | None = None
) -> None:
    """Let a draft have these files and no others.

    Raises ``UnfitError`` for those that it cannot have, and ``NotAllowed`` as ``rewrite`` does.
    """
    _change(connection, campaign_id, seen, THERE)
    files.set_for(connection, campaign_id, refs)


def touch(connection: Connection, campaign_id: int, seen: int) -> None:
    """Count a change of a draft's list. Raises ``NotAllowed`` as ``rewrite`` does, and while it is stored."""
    if being_stored(connection, campaign_id):
        raise NotAllowed(Reason("campaign.being-stored"))
    _change(connection, campaign_id, seen, WHOLE)


def ready(connection: Connection, campaign_id: int) -> int:
    """Return the revision of a draft that can be sent to everybody. Raises ``NotAllowed`` if it cannot.

    It takes as long as composing its message takes, so it is no work for a transaction that writes.
    """
    revision = connection.execute(select(table.c.revision).where(table.c.id == campaign_id)).scalar()
    if found := faults(connection, campaign_id):
        raise NotAllowed(*found)
    return revision or 0


def faults(connection: Connection, campaign_id: int) -> tuple[Reason, ...]:
    """Return why a draft cannot be sent, each with what to do; nothing if it can."""
    campaign = campaigns.get(connection, campaign_id)
    if campaign is None:
        return (Reason("campaign.not-found"),)
    if being_stored(connection, campaign_id):
        return (Reason("campaign.being-stored"),)
    if campaign.body and not campaign.html and (unmade := _unmade(campaign)):
        return (unmade,)
    shapes = surveys.load(connection, campaign_id).shapes
    encoded = files.encoded_size(files.listed(connection, campaign_id))
    message = campaigns.listed_message(connection, campaign)
    unsent = readiness.faults(message, campaign.total, shapes, encoded)
    return unsent + routes.faults(connection, campaign.route)


def _unmade(campaign: Campaign) -> Reason | None:
    """Return why what was written could not become HTML. Such a draft is kept, but must not be sent."""
    try:
        written.compile_message(campaign.written)
    except ComposeError as error:
        return error.reason
    return None


def being_stored(connection: Connection, campaign_id: int) -> bool:
    """Whether a campaign's list is not complete."""
    found = select(storings.c.campaign_id).where(storings.c.campaign_id == campaign_id)
    return connection.execute(found).first() is not None


def remove_remains(connection: Connection, rows: int) -> bool:
    """Remove up to ``rows`` of a list that was left incomplete; at last its campaign, if that was new.

    Returns whether there is more to do. A draft whose list was to be replaced has none; a list that was to be
    added to is as before.
    """
    forgotten = (
        select(storings, table.c.state)
        .join(table, table.c.id == storings.c.campaign_id)
        .where(storings.c.touched_at < now_ms() - LEFT_BEHIND_MS)
        .order_by(storings.c.touched_at)
        .limit(1)
        .with_for_update(skip_locked=True, of=storings)
    )
    row = connection.execute(forgotten).first()
    if row is None:
        return False
    own, gone = storings.c.campaign_id == row.campaign_id, 0
    if CampaignState(row.state) in sources(CampaignAction.EDIT):  # else its recipients are canceled with it
        kept = NOTHING if row.keeps_recipients is None else End(row.keeps_recipients, row.keeps_notes)
        gone, people = lists.clear(connection, row.campaign_id, rows, kept)
        grow(connection, row.campaign_id, -people)
    if gone:  # its process may be only frozen, and must not go on
        connection.execute(update(storings).where(own).values(holder=""))
    elif row.fresh:
        connection.execute(delete(table).where(table.c.id == row.campaign_id))
    else:
        connection.execute(delete(storings).where(own))
    return True


def check(draft: Draft) -> None:
    """Raise ``ComposeError`` if the message cannot be sent to anyone as it is written."""
    compose.prepare(draft.message, token=_PROBE, domain=None)


def _begin(connection: Connection, draft: Draft) -> int:
    """Store a draft, whose message was found good and whose list is empty; return its id."""
    values = {**_columns(connection, draft), "token": secrets.token_hex(16)}
    statement = insert(table).values(values).returning(table.c.id)
    return int(connection.execute(statement).scalar_one())


def grow(connection: Connection, campaign_id: int, n: int) -> None:
    """Count ``n`` more recipients, or fewer. Raises ``NotAllowed`` once it is no draft."""
    statement = update(table).where(*may(campaign_id, CampaignAction.EDIT))
    if not connection.execute(statement.values(total=table.c.total + n)).rowcount:
        raise refusal(connection, campaign_id, CampaignAction.EDIT)


def _change(
    connection: Connection, campaign_id: int, seen: int | None, where: ColumnElement[bool], **values: object
) -> None:
    conditions = [*may(campaign_id, CampaignAction.EDIT), where]
    if seen is not None:
        conditions.append(table.c.revision == seen)
    values |= {"revision": table.c.revision + 1, "paused_reason": "", "reason_code": None}
    if not connection.execute(update(table).where(*conditions).values(values)).rowcount:
        raise refusal(connection, campaign_id, CampaignAction.EDIT)


def _columns(connection: Connection, draft: Draft) -> dict[str, object]:
    return {
        **versions.columns(draft.written),
        **routes.columns(connection, draft.route),
        **draft.purpose.columns,
        "sender_from": draft.sender_from,
        "priority": draft.priority,
        **draft.schedule.columns,
        "give_up_after": draft.give_up_hours * HOUR_S,
        "breaker": draft.breaker and draft.breaker.dump(),
        "canary": draft.canary,
    }


class Hold:
    """The right to change a draft's list, until somebody else takes it.

    ``keeps`` is the part of the list that stays.
    """

    def __init__(
        self, connection: Connection, campaign_id: int, *, fresh: bool, keeps: End = NOTHING
    ) -> None:
        self.campaign_id, self.fresh, self.keeps = campaign_id, fresh, keeps
        self._token = secrets.token_hex(16)
        end = (None, None) if keeps == NOTHING else (keeps.recipient, keeps.note)
        held = {"holder": self._token, "touched_at": now_ms()}
        held |= {"keeps_recipients": end[0], "keeps_notes": end[1]}
        if not connection.execute(update(storings).where(self._own()).values(held)).rowcount:
            connection.execute(insert(storings).values(campaign_id=campaign_id, fresh=fresh, **held))

    def keep(self, connection: Connection) -> None:
        """Renew the hold. Raises ``NotAllowed`` if somebody else has taken it."""
        mine = update(storings).where(*self._mine()).values(touched_at=now_ms())
        if not connection.execute(mine).rowcount:
            raise NotAllowed(Reason("campaign.list-replaced"))

    def end(self, connection: Connection) -> None:
        """Release the hold: the list is complete."""
        connection.execute(delete(storings).where(*self._mine()))

    def give_up(self, connection: Connection) -> None:
        """Give up the hold, and leave what was stored to ``remove_remains``."""
        connection.execute(update(storings).where(*self._mine()).values(touched_at=0))

    def _own(self) -> ColumnElement[bool]:
        return storings.c.campaign_id == self.campaign_id

    def _mine(self) -> tuple[ColumnElement[bool], ...]:
        return self._own(), storings.c.holder == self._token


@contextmanager
def storing(database: Database, hold: Hold, added: Pieces) -> Iterator[Connection]:
    """Store a list; the body runs in the last transaction. If anything fails, the sweeper cleans up."""
    stride = Stride(AT_ONCE, STORED)
    gone = 0 if hold.fresh or hold.keeps != NOTHING else 1  # what the last piece removed of the old list
    try:
        while gone or added.left > stride.rows:
            with stride.write(database) as connection:
                hold.keep(connection)
                if gone:
                    gone, people = lists.clear(connection, hold.campaign_id, stride.rows)
                    grow(connection, hold.campaign_id, -people)
                else:
                    grow(connection, hold.campaign_id, added.go_on(connection, stride.rows))
            time.sleep(REST_S)
        with database.write() as connection:
            hold.keep(connection)
            grow(connection, hold.campaign_id, added.go_on(connection, added.left))
            hold.end(connection)
            yield connection
    except BaseException:
        with suppress(DBAPIError), database.write() as connection:
            hold.give_up(connection)
        raise
