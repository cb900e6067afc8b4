"""Storing and changing campaigns: what is refused before anything is sent, and who wins a race."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import func, select

from mailing import migrate
from mailing.addresses import parsing as addresses
from mailing.campaigns import drafts, lifecycle
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.database import Database
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction, CampaignState, RecipientState
from mailing.core.tables import batches, recipients
from mailing.ledger import counters
from mailing.lists import store as lists
from mailing.lists import surveys
from mailing.lists.domain_counts import DomainCounts
from mailing.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection


def store(db: Database, text: str, rows: list[Mapping[str, object]] | str) -> int:
    parsed = addresses.parse_pasted(rows) if isinstance(rows, str) else addresses.parse_rows(rows)
    with db.write() as connection:
        return drafts.store(
            connection, Draft("a@b.example", "About {{ name }}", text), parsed, surveys.survey(parsed)
        )


def faults(db: Database, campaign_id: int) -> tuple[str, ...]:
    with db.read() as connection:
        return drafts.faults(connection, campaign_id)


def test_a_stored_list_is_balanced_and_cut_into_batches_that_cover_it_once(db: Database) -> None:
    campaign_id = store(db, "hi", "\n".join(f"u{i}@x.example" for i in range(1234)))
    with db.read() as connection:
        assert counters.counts(connection, campaign_id)[RecipientState.QUEUED] == 1234
        covered = connection.execute(
            select(func.count())
            .select_from(recipients)
            .join(batches, recipients.c.id.between(batches.c.first_id, batches.c.last_id))
        ).scalar_one()
    assert covered == 1234


def test_a_list_of_name_and_email_needs_no_other_field(db: Database) -> None:
    assert faults(db, store(db, "Dear {{ name }}, {{ email }}", "a@x.example")) == ()


def test_a_field_that_some_lack_is_refused_with_the_field_and_their_addresses(db: Database) -> None:
    rows = [{"email": "a@x.example", "city": "Hue"}, {"email": "b@x.example"}]
    (fault,) = faults(db, store(db, "in {{ city }}", rows))
    assert fault.values["field"] == "{{ city }}"
    assert fault.values["who"] == ("b@x.example",)


def test_a_field_with_a_default_may_be_missing(db: Database) -> None:
    rows = [{"email": "a@x.example", "city": "Hue"}, {"email": "b@x.example"}]
    assert faults(db, store(db, "in {{ city or 'town' }}", rows)) == ()


def test_a_line_break_in_a_field_of_the_subject_is_refused_before_sending(db: Database) -> None:
    parsed = addresses.parse_rows([{"email": "a@x.example", "city": "Hue\r\nBcc: x@y.example"}])
    with db.write() as connection:
        draft = Draft("a@b.example", "News of {{ city }}", "text")
        campaign_id = drafts.store(connection, draft, parsed, surveys.survey(parsed))
    found = faults(db, campaign_id)
    assert found or not parsed.entries
    assert all("city" in str(fault) for fault in found)


def test_an_edit_between_the_check_and_the_send_is_noticed(db: Database) -> None:
    campaign_id = store(db, "hi", "a@x.example")
    with db.read() as connection:
        checked = drafts.ready(connection, campaign_id)
    with db.write() as connection:
        drafts.rewrite(connection, campaign_id, Draft("a@b.example", "s", "in {{ city }}"))
    with pytest.raises(NotAllowed, match="changed in the meantime"), db.write() as connection:
        lifecycle.act(connection, campaign_id, CampaignAction.SEND, checked=checked)
    with pytest.raises(NotAllowed, match="city"), db.read() as connection:
        drafts.ready(connection, campaign_id)
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    assert campaign
    assert campaign.state is CampaignState.DRAFT


def test_a_list_that_was_replaced_between_the_check_and_the_send_is_noticed(db: Database) -> None:
    campaign_id = store(db, "in {{ city }}", [{"email": "a@x.example", "city": "Hue"}])
    with db.read() as connection:
        checked = drafts.ready(connection, campaign_id)
    draft = Draft("a@b.example", "s", "in {{ city }}")
    drafts.revise(db, campaign_id, draft, addresses.parse_pasted("b@x.example"))
    with pytest.raises(NotAllowed, match="changed in the meantime"), db.write() as connection:
        lifecycle.act(connection, campaign_id, CampaignAction.SEND, checked=checked)
    assert faults(db, campaign_id)[0].code == "list-fault.no-column"


def test_what_a_list_holds_is_counted_when_it_is_stored_and_again_when_it_is_replaced(db: Database) -> None:
    campaign_id = store(db, "hi", "a@x.example\nBob <b@x.example>\nnobody\na@x.example")
    with db.read() as connection:
        found = surveys.load(connection, campaign_id)
        assert (found.shapes.lacking("name", 2).n, found.domains) == (1, DomainCounts({"x.example": 2}))
        assert found.remarks == {"refused": 1, "duplicate": 1, "noted": 0, "column": 0}
        assert [note.line for note in lists.notes(connection, campaign_id, "refused", 9)] == [3]
        assert [note.line for note in lists.notes(connection, campaign_id, "duplicate", 9)] == [4]
        assert lists.notes(connection, campaign_id, "noted", 9) == []
    drafts.revise(
        db, campaign_id, Draft("a@b.example", "s", "hi"), addresses.parse_pasted("Cy <c@x.example>")
    )
    with db.read() as connection:
        found = surveys.load(connection, campaign_id)
        assert (found.shapes.lacking("name", 1).n, found.remarks["refused"]) == (0, 0)


def test_what_was_stored_before_reasons_had_codes_keeps_its_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.sqlite"
    migrate.upgrade(url)
    db = Database(url)
    campaign_id = store(db, "hi", "a@x.example\nnobody")
    with db.read() as connection:
        (note,) = lists.notes(connection, campaign_id, "refused", 9)
    assert note.reason == Reason("address.no-at-in-words")
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["database_url"] = url
    command.downgrade(config, "0007")
    db.close()
    migrate.upgrade(url)
    with db.read() as connection:
        (again,) = lists.notes(connection, campaign_id, "refused", 9)
    assert again.reason == str(note.reason)
    db.close()


def test_a_draft_of_before_the_counts_is_counted_by_the_migration(tmp_path: Path) -> None:
    """Its recipients' shapes are found, so what they lack is told as for a new one, and its domains."""
    url = f"sqlite:///{tmp_path}/old.sqlite"
    migrate.upgrade(url)
    db = Database(url)
    parsed = addresses.parse_rows([{"email": "a@x.example", "city": "Hue"}, {"email": "b@x.example"}])
    campaign_id = drafts.create(db, Draft("a@b.example", "s", "in {{ city }}"), parsed)
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["database_url"] = url
    command.downgrade(config, "0003")
    db.close()
    migrate.upgrade(url)
    (fault,) = faults(db, campaign_id)
    with db.read() as connection:
        assert surveys.load(connection, campaign_id).domains == DomainCounts({"x.example": 2})
    db.close()
    assert "b@x.example (1 of 2)" in str(fault)


class Timed(Database):
    """A database that knows how long its longest writing transaction worked."""

    longest_s = 0.0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with super().write() as connection:
            begun = time.thread_time()
            yield connection
            self.longest_s = max(self.longest_s, time.thread_time() - begun)


def test_no_message_is_composed_while_the_lock_is_held(db: Database) -> None:
    """Composing this one takes a good part of a second, at each of these steps."""
    timed = Timed(db.url.render_as_string(hide_password=False))
    text = ("{{ city }} " + "a line of a löng letter, " * 40 + "\n") * 900
    draft = Draft("a@b.example", "s", text, text)
    parsed = addresses.parse_rows([{"email": f"u{n}@x.example", "city": "Hue"} for n in range(100)])
    begun = time.thread_time()
    campaign_id = drafts.create(timed, draft, parsed)
    drafts.revise(timed, campaign_id, draft, parsed)
    with timed.read() as connection:
        checked = drafts.ready(connection, campaign_id)
    with timed.write() as connection:
        lifecycle.act(connection, campaign_id, CampaignAction.SEND, checked=checked)
    with drafts.creating(timed, draft, parsed, ready=True) as (connection, another):
        lifecycle.act(connection, another, CampaignAction.SEND, checked=drafts.FIRST)
    timed.close()
    assert timed.longest_s < 0.1
    assert time.thread_time() - begun > 4 * timed.longest_s


def test_nothing_is_stored_of_what_is_to_be_sent_at_once_and_cannot(db: Database) -> None:
    draft = Draft("a@b.example", "s", "in {{ city }}")
    with (
        pytest.raises(NotAllowed, match="city"),
        drafts.creating(db, draft, addresses.parse_pasted("a@x.example"), ready=True),
    ):
        pass
    with db.read() as connection:
        assert campaigns.latest(connection) == []


def test_an_empty_list_cannot_be_sent_and_says_so(db: Database) -> None:
    campaign_id = store(db, "hi", "nobody")
    with pytest.raises(NotAllowed, match="no valid addresses"), db.write() as connection:
        lifecycle.act(
            connection, campaign_id, CampaignAction.SEND, checked=drafts.ready(connection, campaign_id)
        )


def test_of_two_people_who_press_send_at_once_one_is_told_that_it_is_done(db: Database) -> None:
    campaign_id = store(db, "hi", "a@x.example")
    outcomes: list[str] = []

    def press() -> None:
        try:
            with db.write() as connection:
                lifecycle.act(
                    connection,
                    campaign_id,
                    CampaignAction.SEND,
                    checked=drafts.ready(connection, campaign_id),
                )
            outcomes.append("sent")
        except NotAllowed as refusal:
            outcomes.append(str(refusal))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome == "sent" for outcome in outcomes) == [False, True]
    assert any("is sending" in outcome for outcome in outcomes)


def test_a_draft_can_be_revised_with_another_list_and_a_sent_one_cannot(db: Database) -> None:
    campaign_id = store(db, "hi", "a@x.example\nb@x.example")
    revised = Draft("a@b.example", "New", "text")
    drafts.revise(db, campaign_id, revised, addresses.parse_pasted("c@x.example"))
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        assert campaign
        assert (campaign.subject, campaign.total, campaign.waiting) == ("New", 1, 1)
    with db.write() as connection:
        lifecycle.act(
            connection, campaign_id, CampaignAction.SEND, checked=drafts.ready(connection, campaign_id)
        )
    with pytest.raises(NotAllowed, match="sending"), db.write() as connection:
        drafts.rewrite(connection, campaign_id, revised)


@pytest.mark.parametrize("action", [CampaignAction.PAUSE, CampaignAction.RESUME])
def test_what_the_state_does_not_allow_is_refused_and_changes_nothing(
    db: Database, action: CampaignAction
) -> None:
    campaign_id = store(db, "hi", "a@x.example")
    with pytest.raises(NotAllowed, match="is draft"), db.write() as connection:
        lifecycle.act(connection, campaign_id, action)
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    assert campaign
    assert campaign.state is CampaignState.DRAFT
