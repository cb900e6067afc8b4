"""The web process is killed while recipients unsubscribe: whoever was told so is not mailed any more."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from mailing.core.clock import now_ms
from mailing.core.tables import recipients
from mailing.suppression import leave_tokens, leaving, store
from mailing.suppression.leave_tokens import Leaver
from tests.drills.judging import SHORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Drill, Size
    from tests.support.stack import Stack

PATIENCE_S = 60.0
AT_ONCE = 8
MOST = 400
BODY = "List-Unsubscribe=One-Click"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def press(stack: Stack, path: str) -> int:
    """Post as a mail provider does, again until it is answered; return when it was, in ms since 1970."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with suppress(OSError, http.client.HTTPException), closing(_connection(stack)) as line:
            line.request("POST", path, BODY, FORM)
            if line.getresponse().status == http.client.OK:
                return now_ms()
        time.sleep(0.05)
    raise AssertionError("a post was never answered")


def _connection(stack: Stack) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=10)


@pytest.mark.short
def test_nobody_who_was_told_so_is_lost_when_the_web_process_is_killed(
    drill: Callable[..., Drill], size: Size
) -> None:
    pace = {"connections": 1, "think_s": 0.15} if size is SHORT else {"connections": 8, "think_s": 0.05}
    it = drill("redis", "sink", "worker", "beat", "web", **pace)
    it.begin()
    with it.stack.db.read() as connection:
        mine = recipients.c.campaign_id == it.campaign_id
        people = connection.execute(select(recipients.c.id, recipients.c.email).where(mine)).all()
        key = leaving.key(connection)
    gone = sorted(people)[-min(it.share(0.3), MOST) :]
    paths = [f"/u/{leave_tokens.seal(key, Leaver(it.campaign_id, *row[:1], '', row[1]))}" for row in gone]
    with ThreadPoolExecutor(AT_ONCE) as providers:
        pressed = [providers.submit(press, it.stack, path) for path in paths]
        for _ in range(2):
            time.sleep(0.5)
            it.stack.kill("web")
            it.stack.start("web")
        told = {row.id: future.result() for row, future in zip(gone, pressed, strict=True)}
    it.end()
    with it.stack.db.read() as connection:
        kept = {entry.subject for entry in store.find(connection, limit=len(people))}
        what = recipients.c.id, recipients.c.state, recipients.c.claimed_at
        rows = connection.execute(select(*what).where(mine)).all()
    assert {row.email for row in gone} <= kept, "somebody was told that they are unsubscribed, and is not"
    mailed = [row for row in rows if row.state == "sent" and row.id in told]
    late = [row for row in mailed if row.claimed_at > told[row.id]]
    assert not late, f"{len(late)} were claimed after they had been told: {late[:3]}"
    suppressed = sum(row.state == "suppressed" for row in rows)
    assert suppressed, "all were mailed before they left: the drill proves nothing"
    it.judge(suppressed=suppressed)
