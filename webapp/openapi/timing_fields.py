"""When a campaign is sent and how urgent it is, as programs say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailing.core.clock import now_ms
from mailing.schedules.schedule import Asked
from webapp.http.problems import Fault
from webapp.openapi.fields import Field, Flag, UnfitValueError, Whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.schedules.schedule import Schedule
    from webapp.openapi.fields import Schema

_NO_HOURS = 'Must be like {"from": "08:00", "to": "20:00"}, or null for none.'


class _Written:
    """Text, or null for none of it."""

    schema: Schema = {"type": ["string", "null"], "pattern": "^[^\\u0000]*$", "maxLength": 100}  # noqa: RUF012

    def read(self, given: Any) -> str:
        if given is None:
            return ""
        if not isinstance(given, str) or "\0" in given or len(given) > self.schema["maxLength"]:
            raise UnfitValueError("Must be a string of at most 100 characters, or null for none.")
        return given


class _Hours:
    """Two times of the day, or null for none."""

    schema: Schema = {  # noqa: RUF012 - read only
        "type": ["object", "null"],
        "properties": {
            "from": {"type": "string", "examples": ["08:00"]},
            "to": {"type": "string", "examples": ["20:00"]},
        },
        "required": ["from", "to"],
        "additionalProperties": False,
    }

    def read(self, given: Any) -> str:
        if given is None:
            return ""
        if not isinstance(given, dict) or given.keys() != {"from", "to"}:
            raise UnfitValueError(_NO_HOURS)
        first, last = given["from"], given["to"]
        if not (isinstance(first, str) and isinstance(last, str) and first.strip() and last.strip()):
            raise UnfitValueError(_NO_HOURS)
        return f"{first[:20]}-{last[:20]}"


WHEN = (
    Field(
        "send_at",
        _Written(),
        "When it starts automatically: local time in `time_zone`, such as `2026-12-01T08:00`, or a time with "
        "its offset (RFC 3339), such as `2026-12-01T08:00:00+07:00`. A local time that the clocks skip is an "
        "error; of one that comes twice, the first is meant.",
        example="2030-12-01T08:00",
    ),
    Field(
        "time_zone",
        _Written(),
        "The time zone by IANA's name. Required for `hours`, and for a `send_at` without an offset.",
        example="Asia/Ho_Chi_Minh",
    ),
    Field(
        "hours",
        _Hours(),
        "The hours of the day in which it may be sent, by the clocks in `time_zone`; they may go over "
        "midnight. Outside of them it waits, and continues automatically.",
        example={"from": "08:00", "to": "20:00"},
    ),
)
DESPITE_RED = Field(
    "despite_red",
    Flag("True sends although DNS records of the From domain have errors."),
    "True confirms that it is sent to more than 5,000 recipients although DNS records of the From domain "
    "have errors: else it is refused with 409 and the code `campaign.domain-red`.",
    usual=False,
    example=False,
)
PRIORITY = Field(
    "priority",
    Whole(range(10), "Must be a whole number from 0 (sent first) to 9."),
    "From 0, which is sent first, to 9. Campaigns with the same priority share the workers fairly.",
)


def asked(values: Mapping[str, Any]) -> Asked:
    """Return what was read as what is wanted of a schedule; what was not sent stays."""
    return Asked(values.get("send_at"), values.get("time_zone"), values.get("hours"))


def judge(wanted: Asked, old: Schedule) -> tuple[Schedule, list[Fault]]:
    """Return the schedule that is wanted in the place of an ``old`` one, and all that is wrong with it."""
    schedule, faults = wanted.judge(old, now_ms())
    return schedule, [Fault.of(field, reason) for field, reason in faults.items()]
