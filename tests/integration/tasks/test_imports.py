"""A worker reads a file in a process of its own: whatever dies, each row is stored once."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import update

from mailing.contacts import imports, lists
from mailing.contacts.tables import ImportState
from mailing.contacts.tables import imports as table
from mailing.core.actors import Actor, ActorKind
from mailing.ledger import leases
from mailing.uploads import reading
from tasks.app import use
from tasks.commands import lists as commands
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.contacts.imports import Import
    from tests.support.stack import Stack

ANN = Actor(ActorKind.PERSON, "ann@people.example", 1)
ROWS = 200_000  # seconds of reading: its process is killed in the middle


def readers(stack: Stack) -> list[int]:
    """The processes that read files."""
    found = []
    for pid in stack.worker_pids():
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def get(stack: Stack, import_id: int) -> Import:
    with stack.db.read() as connection:
        found = imports.get(connection, import_id)
    assert found
    return found


def wait_for_more(stack: Stack, import_id: int) -> int:
    """Wait until an import is read further by a process; return that."""
    before = get(stack, import_id).read
    wait_until(lambda: get(stack, import_id).read > before, "it is read further")
    (pid,) = readers(stack)
    return pid


def test_a_file_is_read_once_whoever_is_killed_meanwhile(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(workers=1)
    stack.start("redis", "worker", "beat")
    use(stack.settings)
    data = ("email,name\n" + "".join(f"p{n}@a.example,Person {n}\n" for n in range(ROWS))).encode()
    import_id = commands.upload(stack.backend, ANN, "people.csv", BytesIO(data))
    plan = reading.look(BytesIO(data), "people.csv").plan
    list_id = commands.start_import(stack.backend, ANN, import_id, plan, "People", expected=ROWS)

    os.kill(wait_for_more(stack, import_id), signal.SIGKILL)
    reader = wait_for_more(stack, import_id)
    (worker,) = [pid for pid in stack.worker_pids() if leases.name_of(pid) in stack.alive()]
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{reader}").exists(), "it ends with its worker")
    assert get(stack, import_id).state is ImportState.READING
    with stack.db.write() as connection:  # as after a minute
        connection.execute(update(table).where(table.c.id == import_id).values(touched_at=0))

    done = wait_until(
        lambda: None if (found := get(stack, import_id)).under_way else found, "all of it is read"
    )
    assert (done.state, done.read, done.accepted, done.duplicates) == (ImportState.DONE, ROWS, ROWS, 0)
    with stack.db.read() as connection:
        saved = lists.get(connection, list_id)
    assert saved
    assert saved.total == saved.active == ROWS
    wait_until(lambda: not readers(stack), "its process ends")
