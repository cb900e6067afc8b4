"""The wall: every recipient is a cell, in the order of the list, and its state is the database's."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.states import AttemptResult, RecipientState
from mailing.redis import events
from mailing.reports import cells
from tests.integration.live.test_hub import publish, stream
from tests.support.web import deliver, running, settings_for, store
from webapp.wall.views import MOST_MOVES, Moves

SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok")
FAILED = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user")
STATES = st.sampled_from(RecipientState)


@pytest.fixture
def stack(make_stack):
    stack = make_stack()
    stack.start("redis")
    return stack


def told(match) -> dict:
    return json.loads(match[1])


def undone(moves: dict[str, list[int]]) -> dict[int, str]:
    """The moves as whoever hears them reads them."""
    found = {}
    for code, steps in moves.items():
        at = 0
        for step in steps:
            found[at := at + step] = code
    return found


def happened(recipient, state):
    event = {"type": "recipient", "campaign": 1, "recipient": recipient, "state": state}
    return b"", event


def test_cells_are_the_states_in_the_order_of_the_list(db):
    store(db, "a@x.example b@x.example", send=True)
    store(db, "z@x.example")
    with db.read() as connection:
        assert cells.of(connection, 1) == cells.Cells(((1, 2),), "qq")
    deliver(db, FAILED)
    with db.read() as connection:
        assert cells.of(connection, 1) == cells.Cells(((1, 2),), "fq")
        assert cells.of(connection, 2) == cells.Cells(((3, 1),), "q")
        assert cells.of(connection, 3) == cells.Cells((), "")


def test_ids_that_other_campaigns_took_leave_no_cell():
    assert list(cells._runs(bytearray(b"qq..s.f"), 10)) == [(10, 2), (14, 1), (16, 1)]


@given(st.lists(st.tuples(st.integers(1, 10**9), STATES), max_size=50))
def test_moves_are_read_back_as_the_latest_state_of_each(changes):
    moves = Moves()
    moves.hear([happened(id_, state) for id_, state in changes])
    wanted = {id_: chr(cells.CODES[state]) for id_, state in changes}
    assert undone(dict(moves.moves())) == wanted
    assert not moves.moves()


def test_claimed_recipients_are_being_sent_and_a_change_at_large_asks_for_all_cells():
    moves = Moves()
    moves.hear([(b"", {"type": "claimed", "campaign": 1, "recipients": [5, 7]})])
    assert moves.moves() == {">": [5, 2]}
    assert not moves.missed
    moves.hear([(b"", {"type": "campaign", "campaign": 1, "state": "paused"})])
    assert moves.missed


def test_a_reader_who_is_too_slow_is_given_all_cells_instead_of_a_growing_list():
    moves = Moves()
    moves.hear([happened(id_, RecipientState.SENT) for id_ in range(MOST_MOVES + 1)])
    assert moves.missed
    assert not moves.moves()


async def test_the_stream_begins_with_every_cell_and_goes_on_with_what_moves(stack):
    store(stack.db, "a@x.example b@x.example c@x.example", send=True)
    async with (
        running(stack.settings) as visitor,
        stream(visitor, "/campaigns/1/wall/stream") as messages,
    ):
        first = told(await messages.until(r"event: cells\ndata: (.*?)\n"))
        assert first == {"runs": [[1, 3]], "codes": "qqq"}
        await messages.until('<aside id="around">.*<b>0</b> of 3 processed')
        await messages.until("event: beat\ndata: live")
        [id_] = deliver(stack.db, SENT)
        await publish(stack, {"type": "recipient", "campaign": 1, "recipient": id_, "state": "sent"})
        assert undone(told(await messages.until(r"event: moves\ndata: (.*?)\n"))) == {id_: "s"}
        await messages.until('<aside id="around">.*<b>1</b> of 3 processed')


async def test_a_change_of_the_whole_campaign_brings_all_cells_anew(stack, monkeypatch):
    monkeypatch.setattr("webapp.wall.views.AGAIN_S", 0.0)
    store(stack.db, "a@x.example b@x.example", send=True)
    async with (
        running(stack.settings) as visitor,
        stream(visitor, "/campaigns/1/wall/stream") as messages,
    ):
        await messages.until("event: beat")
        deliver(stack.db, SENT, FAILED)
        await publish(stack, events.campaign_changed(1, "finished"))
        assert told(await messages.until(r"event: cells\ndata: (.*?)\n"))["codes"] == "sf"


async def test_there_is_no_wall_of_a_campaign_that_is_not_there(tmp_path, database_url, db):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        await visitor.read("/campaigns/9/wall", 404)
        await visitor.read("/campaigns/9/wall/stream", 404)
