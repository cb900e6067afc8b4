"""The fields by which programs say what a campaign is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailing.core.reasons import UnfitError
from mailing.suppression import purposes
from mailing.suppression.purposes import BULK, LONGEST_TOPIC, Purpose
from webapp.http.problems import Fault
from webapp.openapi.fields import Field, Flag, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

TOPIC = Field(
    "topic",
    Text(),
    f"What it is about, in at most {LONGEST_TOPIC} characters, such as `Events`. Recipients can unsubscribe "
    "from one topic and still get the others. Empty: they unsubscribe from everything.",
    usual="",
    example="Events",
)
TRANSACTIONAL = Field(
    "transactional",
    Flag("True for mail that each recipient waits for."),
    "Whether it is mail that each recipient waits for, such as a receipt. Nobody can unsubscribe from it, so "
    "it has no link for that and no topic, and is also sent to people who unsubscribed. It is not sent to "
    "addresses that bounced, complained, or were added to the do-not-send list by hand or from a file.",
    usual=False,
)
PURPOSE = (TOPIC, TRANSACTIONAL)


def judge(values: Mapping[str, Any], old: Purpose = BULK) -> tuple[Purpose, list[Fault]]:
    """Return the purpose that was sent, with what is wrong; what is not sent stays as it was."""
    topic, transactional = values.get("topic"), values.get("transactional")
    topic = old.topic if topic is None else topic
    transactional = old.transactional if transactional is None else transactional
    try:
        return purposes.read(topic, transactional=transactional), []
    except UnfitError as refusal:
        return old, [Fault.of("topic", refusal.reason)]
