"""The SMTP server misbehaves in every way the sink knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailing.core.states import RecipientAction
from tests.drills import misdeeds
from tests.support.certificates import self_signed
from tests.support.stack import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.drills.judging import Drill

HURRIED = {"PYTHONPATH": str(Path(__file__).with_name("hurried"))}
MISDEEDS = (
    misdeeds.greylists,
    misdeeds.refuses_by_rate,
    misdeeds.closes_before_the_dot,
    misdeeds.closes_in_the_text,
    misdeeds.closes_after_the_dot,
    misdeeds.hangs,
    misdeeds.byte_by_byte,
    misdeeds.malformed,
    misdeeds.drops_tls,
    misdeeds.changes_its_capabilities,
)
IN_DOUBT = ("broke text", "broke dot")


@pytest.mark.short(on="sqlite")  # no misdeed touches the database
@pytest.mark.parametrize("misdeed", [misdeed.__name__ for misdeed in MISDEEDS])
def test_the_server(drill: Callable[..., Drill], misdeed: str, tmp_path: Path) -> None:
    """Only what was lost behind a dot may be in doubt, and everybody else gets it once."""
    extra, port = {"SINK_MISDEED": misdeed, **HURRIED}, free_port()
    if misdeed == "drops_tls":
        file = str(self_signed(tmp_path, "IP:127.0.0.1"))
        extra |= {"VOLLEY_SMTP_URL": f"smtps://127.0.0.1:{port}"}
        extra |= {"SINK_CERTIFICATE": file, "SSL_CERT_FILE": file}
    it = drill(connections=5, smtp_port=port, extra=extra)
    it.begin(sent=0)
    it.end(300)
    log = it.stack.log("sink")
    it.judge(unknown=sum(log.count(step) for step in IN_DOUBT))
    assert misdeed == "byte_by_byte" or "broke" in log or it.row.deferrals, "it did no misdeed"


@pytest.mark.short(on="sqlite")
def test_refuses_rcpt_but_takes_data(drill: Callable[..., Drill]) -> None:
    """Nobody who was refused is sent anything, not even an empty message."""
    it = drill(connections=5, extra={"SINK_MISDEED": "refuses_rcpt_but_takes_data"})
    it.begin(sent=0)
    it.end()
    it.judge(failed=it.count("failed"))
    assert it.count("failed") > it.share(0.05)


@pytest.mark.short(on="sqlite")
def test_who_is_in_doubt_is_resent(drill: Callable[..., Drill]) -> None:
    """The second message has the Message-ID of the first, and the log tells of both."""
    it = drill(connections=5, extra={"SINK_MISDEED": "closes_after_the_dot", **HURRIED})
    it.begin(sent=0)
    it.end()
    doubtful = it.count("unknown")
    it.decide(RecipientAction.RESEND_UNKNOWN)
    it.end()
    it.judge(unknown=it.stack.log("sink").count("broke dot") - doubtful)
    assert it.row.resent >= doubtful > 0
