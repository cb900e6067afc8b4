"""A draft's list grows: addresses are added to it, and lines that were skipped are fixed.

A long addition is stored piece by piece, as every list is (``drafts``).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from mailing.addresses import repairs
from mailing.addresses.findings import ENTRIES_MAX, REFUSED_MAX
from mailing.campaigns import drafts
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import Reason
from mailing.core.tables import campaigns
from mailing.lists import additions, surveys
from mailing.lists import store as lists
from mailing.lists.spools import Spool
from mailing.lists.store import Storing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.addresses.parsing import ParsedList
    from mailing.campaigns.drafts import Also, Draft
    from mailing.core.database import Database
    from mailing.lists.store import ListNote

FIXED_AT_ONCE = 200  # skipped lines that a person is shown, and can fix


@dataclass(frozen=True, slots=True)
class Added:
    """What lines became that were added to a list: recipients, duplicates, and lines that are skipped.

    ``forgotten`` skipped lines are no longer in the list.
    """

    recipients: int = 0
    duplicates: int = 0
    skipped: int = 0
    forgotten: int = 0


def add(
    database: Database,
    campaign_id: int,
    parsed: ParsedList,
    *,
    seen: int,
    draft: Draft | None = None,
    instead: Sequence[int] = (),
    also: Also = drafts.nothing,
) -> Added:
    """Add to the list of a draft, and change its message to ``draft`` if there is one. Blocking.

    An address that is in the list already is a duplicate, and stays as it is. ``instead`` are the numbers of
    skipped lines that this takes the place of. Raises ``NotAllowed`` once it is no draft, if it was changed
    since the revision that was ``seen``, while its list is being stored, and for more than a list takes.
    """
    if draft:
        drafts.check(draft)
    with closing(Spool()) as new:
        with database.read() as connection:
            if drafts.being_stored(connection, campaign_id):
                raise NotAllowed(Reason("campaign.being-stored"))
            before, end = surveys.load(connection, campaign_id), lists.end(connection, campaign_id)
            fresh = additions.new_of(connection, campaign_id, parsed, new)
            domains = additions.domains(connection, campaign_id, fresh, before.domains.top)
            own = select(campaigns.c.total).where(campaigns.c.id == campaign_id)
            total = (connection.execute(own).scalar() or 0) + len(new)
        # What was read is true as long as nobody changes the list, and whoever does so counts its revision
        # up.
        survey = before.plus(fresh, domains, gone=len(instead))
        if total > ENTRIES_MAX or survey.remarks["refused"] > REFUSED_MAX:
            raise NotAllowed(Reason("campaign.list-too-long", most=ENTRIES_MAX, skipped=REFUSED_MAX))
        added, whole = Storing(campaign_id, fresh, survey, end), lists.size(fresh) <= drafts.AT_ONCE
        with database.write() as connection:
            drafts.touch(connection, campaign_id, seen)
            if draft:
                drafts.rewrite(connection, campaign_id, draft)
            if whole:
                lists.forget(connection, campaign_id, instead)
                drafts.grow(connection, campaign_id, added.go_on(connection, added.left))
                also(connection)
            else:
                hold = drafts.Hold(connection, campaign_id, fresh=False, keeps=end)
        if not whole:
            with drafts.storing(database, hold, added) as connection:
                lists.forget(connection, campaign_id, instead)
                also(connection)
        return Added(len(new), len(fresh.duplicates), len(fresh.refused), len(instead))


def to_fix(connection: Connection, campaign_id: int) -> Sequence[ListNote]:
    """Return the first skipped lines of a list that a person can fix: those that are kept whole."""
    shown = lists.notes(connection, campaign_id, "refused", FIXED_AT_ONCE)
    return [note for note in shown if not note.cut]


def fix(database: Database, campaign_id: int, box: str, *, seen: int, also: Also = drafts.nothing) -> Added:
    """Read the lines of the box that ``to_fix`` filled, as a person has changed them. Blocking.

    What was not changed stays skipped, what was deleted is forgotten. Raises ``NotAllowed`` as ``add`` does.
    """
    with database.read() as connection:
        skipped = to_fix(connection, campaign_id)
        headers = lists.notes(connection, campaign_id, "column", FIXED_AT_ONCE)
    repair = repairs.compare([repairs.Skipped(it.number, it.line, it.text) for it in skipped], box)
    if not (repair.gone or repair.changed):
        return Added()
    plan = repairs.plan([(it.text, str(it.reason)) for it in headers])
    parsed = repairs.read(repair.changed, plan)
    return add(database, campaign_id, parsed, seen=seen, instead=repair.gone, also=also)
