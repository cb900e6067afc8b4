"""What programs send and get: a posted campaign is checked here, and answers get their shape here.

Times are RFC 3339 strings in UTC, null while the thing has not happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson

from mailing.addresses import parsing as addresses
from mailing.addresses.parsing import ParsedList
from mailing.campaigns.drafts import Draft
from mailing.core import reasons
from mailing.core.bounds import GIVE_UP_HOURS, GIVE_UP_USUALLY, LARGEST_ID
from mailing.core.states import DECISIONS, CampaignAction, RecipientState
from mailing.messages import compose
from mailing.messages.compose import ComposeError, Message
from mailing.recipients.search import Choice
from webapp.http import params, problems
from webapp.http.problems import UNKNOWN_FIELD, WRONG_VALUE, Fault, Problem, number, unknown_parameters
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mailing.addresses.parsing import Refusal
    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Reason
    from mailing.core.states import RecipientAction
    from mailing.ledger.rates import Speed
    from mailing.ledger.rests import Rest
    from mailing.recipients.listing import RecipientRow
    from mailing.recipients.search import Page
    from mailing.recipients.undertakings import Undertaking

PAGE, LARGEST_PAGE = 50, 500  # rows of an answer: as a rule, and at most
KEY_MAX = 255
NOTED_NAMED = 1_000  # notes in one answer
REFUSED_NAMED = 10_000  # refused lines in one answer, so that 20 MB of junk do not come back tenfold
_FIELDS = ("from", "subject", "text", "html", "recipients", "send", "priority", "give_up_hours")
_CHOICE_FIELDS = ("state", "q", "recipient", "reply")
_REQUIRED = {
    "subject": "Write the subject of the message.",
    "text": "Write the text of the message.",
    "recipients": 'Give the list: pasted text, or rows like {"email": "ann@example.org", "name": "Ann"}.',
    "send": "Use true to send immediately, or false to keep a draft.",
}
_WHOLE = {
    "priority": (range(10), "from 0 (sent first) to 9"),
    "give_up_hours": (GIVE_UP_HOURS, f"of hours from 1 to {len(GIVE_UP_HOURS)}"),
}
_PARTS = frozenset({"from", "subject", "text", "html"})
_PROBE = "0"
_NUL = "NUL characters are not allowed. Remove them."
_PLAIN = Message("Volley <volley@localhost>", "subject", "text")


@dataclass(frozen=True, slots=True)
class PostedCampaign:
    """A posted campaign without faults: what to store, and whether to send it at once."""

    draft: Draft
    parsed: ParsedList
    send: bool


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Which recipients to list."""

    state: RecipientState | None
    q: str
    after: int
    limit: int


def read_campaign(body: bytes, default_from: str) -> PostedCampaign:
    """Read a posted campaign. Raises ``Problem`` with all faults at once. Takes seconds for a long list."""
    given = {**_defaults(default_from), **_object(body, '{"subject": ..., "text": ...}')}
    faults = problems.unknown(
        (name for name in given if name not in _FIELDS), lambda name: _no_field(name, _FIELDS), UNKNOWN_FIELD
    )
    for name in _FIELDS:
        if name not in given:
            faults.append(Fault(name, f'"{name}" is missing. {_REQUIRED[name]}', "request.missing-field"))
        elif fault := _fault(name, given[name]):
            faults.append(fault)
    parsed = ParsedList()
    if isinstance(given.get("recipients"), str | list):
        parsed = _parse(given["recipients"])
        if not parsed.entries:
            what = "Every line was skipped" if parsed.refused else "The list is empty"
            said = f"{what}. Give at least one valid address."
            faults.append(Fault("recipients", said, "list-fault.no-addresses"))
    if faults:
        raise problems.invalid(faults, **refused_json(parsed.refused))
    draft = Draft(
        given["from"],
        given["subject"],
        given["text"],
        given["html"],
        given["priority"],
        given["give_up_hours"],
    )
    return PostedCampaign(draft, parsed, given["send"])


def read_choice(body: bytes, action: RecipientAction) -> Choice:
    """Read whom a decision is about; no body means everybody. Raises ``Problem`` with all faults at once."""
    given = _object(body, '{"state": "failed"}') if body.strip() else {}
    faults = [
        Fault(name, problem, WRONG_VALUE)
        for name in _CHOICE_FIELDS
        if name in given and (problem := _choice_problem(name, given[name], action))
    ]
    strange = (name for name in given if name not in _CHOICE_FIELDS)
    faults += problems.unknown(strange, lambda name: _no_field(name, _CHOICE_FIELDS), UNKNOWN_FIELD)
    if faults:
        raise problems.invalid(faults)
    state = given.get("state")
    return Choice(
        RecipientState(state) if state else None,
        given.get("q", "").strip(),
        params.read_reply(given["reply"]) if "reply" in given else None,
        given.get("recipient"),
    )


def read_nothing(body: bytes, verb: str) -> None:
    """Refuse fields where all of a campaign is meant: who sends some may mean less."""
    if body.strip() and (given := _object(body, "{}")):
        none = f"{verb} has no fields: it applies to the whole campaign."
        raise problems.invalid(problems.unknown(given, lambda _name: none, UNKNOWN_FIELD))


def message_faults(draft: Draft) -> list[Fault]:
    """Return what is wrong with a message, part by part."""
    parts = {"from": draft.sender_from, "subject": draft.subject, "text": draft.text, "html": draft.html}
    return [fault for name, value in parts.items() if (fault := _fault(name, value))]


def read_key(values: Sequence[str]) -> str:
    """Return the Idempotency-Key, empty if there is none. Raises ``Problem`` unless it can be kept."""
    if not values:
        return ""
    key = values[0]
    if (
        len(values) > 1
        or not 0 < len(key) <= KEY_MAX
        or not all("!" <= character <= "~" for character in key)
    ):
        detail = (
            f"The Idempotency-Key must be one value of 1 to {KEY_MAX} visible ASCII characters, like a UUID."
        )
        raise Problem(400, detail, "request.wrong-key")
    return key


def read_query(given: Mapping[str, str]) -> ListRequest:
    """Read which recipients to list. Raises ``Problem`` with all faults at once."""
    faults = []
    state, q = given.get("state", ""), given.get("q", "")
    if state and state not in set(RecipientState):
        names = ", ".join(RecipientState)
        strange = f"Unknown state {state!r:.50}. Use one of: {names}."
        faults.append(Fault("state", strange, WRONG_VALUE))
    if "\0" in q:
        faults.append(Fault("q", _NUL, WRONG_VALUE))
    after = number(given, "after", 0, range(LARGEST_ID + 1), faults)
    limit = number(given, "limit", PAGE, range(1, LARGEST_PAGE + 1), faults)
    faults += unknown_parameters(given, {"state", "q", "after", "limit"})
    if faults:
        raise problems.misasked(faults)
    return ListRequest(RecipientState(state) if state else None, q.strip(), after, limit)


def read_listing(given: Mapping[str, str]) -> tuple[int, int]:
    """Read below which id to list campaigns, and how many. Raises ``Problem`` with all faults at once."""
    faults: list[Fault] = []
    before = number(given, "before", LARGEST_ID, range(1, LARGEST_ID + 1), faults)
    limit = number(given, "limit", PAGE, range(1, LARGEST_PAGE + 1), faults)
    if faults := [*faults, *unknown_parameters(given, {"before", "limit"})]:
        raise problems.misasked(faults)
    return before, limit


def created_json(campaign_id: int, state: str, parsed: ParsedList) -> dict[str, Any]:
    """Return the answer to a posted campaign."""
    return {
        "id": campaign_id,
        "state": state,
        "total": len(parsed.entries),
        "duplicates": len(parsed.duplicates),
        **_notes_json(parsed),
        **refused_json(parsed.refused),
    }


def _notes_json(parsed: ParsedList) -> dict[str, Any]:
    """Return what the draft's page remarks, where there is something: ``notes`` and ``fields``.

    Notes are on addresses that were kept, and on rows that gave something to one with the same address; at
    most ``NOTED_NAMED`` are named, ``notes_more`` says how many the answer leaves out. ``fields`` tells by
    its header what each column became, if that is another word.
    """
    notes = [
        *((note.line, note.email, note.note) for note in parsed.noted),
        *((again.line, again.email, again.said) for again in parsed.duplicates if again.note),
    ]
    first = sorted(notes, key=itemgetter(0, 1))[:NOTED_NAMED]
    named = [
        {"line": line, "email": email, "note": str(note), "code": note.code} for line, email, note in first
    ]
    fields = {column.header: column.field for column in parsed.columns if column.header != column.field}
    return {
        **({"notes": named} if named else {}),
        **({"notes_more": len(notes) - len(named)} if len(notes) > len(named) else {}),
        **({"fields": fields} if fields else {}),
    }


def refused_json(refused: Sequence[Refusal]) -> dict[str, Any]:
    """Return the refused lines; ``refused_more`` says how many the answer leaves out, if it does."""
    named = [
        {"line": r.line, "text": r.text, "reason": str(r.reason), "code": r.reason.code}
        for r in refused[:REFUSED_NAMED]
    ]
    more = len(refused) - len(named)
    return {"refused": named, "refused_more": more} if more else {"refused": named}


def campaign_json(campaign: Campaign, speed: Speed, under_way: Sequence[Undertaking] = ()) -> dict[str, Any]:
    """Return a campaign and its ledger.

    ``condition`` is its state, or ``waiting_to_retry`` while it is sending and nobody can be mailed before
    ``next_try_at``; by ``given_up_at`` all of them are given up. ``rate_per_minute`` was measured over the
    last ``rate_seconds``: a minute, or since a start that is less than one ago. It is 0 once it is over.
    ``under_way`` are the decisions that are still being carried out.
    """
    retry = campaign.retry
    return {
        "id": campaign.id,
        "state": campaign.state,
        "condition": campaign.condition,
        "from": campaign.sender_from,
        "subject": campaign.subject,
        "priority": campaign.priority,
        "give_up_hours": campaign.give_up_hours,
        "total": campaign.total,
        "counts": {state.value: campaign.counts[state] for state in RecipientState},
        "rate_per_minute": round(speed.per_minute, 1),
        "rate_seconds": round(speed.ms / 1000, 1),
        "next_try_at": _time(retry.at if retry else None),
        "given_up_at": _time(retry.given_up_at if retry else None),
        "created_at": _time(campaign.created_at),
        "started_at": _time(campaign.started_at),
        "finished_at": _time(campaign.finished_at),
        "paused_reason": str(campaign.paused_reason),
        "paused_reason_code": reasons.code(campaign.paused_reason),
        "waits": _waits(campaign.rest),
        "actions": [action for action in campaign.actions if action is not CampaignAction.EDIT],
        "under_way": [
            {"action": each.action, "affected": each.moved, "expected": each.expected} for each in under_way
        ],
    }


def _waits(rest: Rest | None) -> dict[str, Any] | None:
    """Return why the sender waits and until when; None if it does not."""
    if rest is None:
        return None
    why = {"reason": str(rest.reason), "code": reasons.code(rest.reason)}
    return {**why, "since": _time(rest.since), "until": _time(rest.until)}


def page_json(page: Page[RecipientRow]) -> dict[str, Any]:
    """Return a page of recipients; ``next`` is what ``after`` must be for the next one."""
    return {"recipients": [recipient_json(row) for row in page.rows], "next": page.next}


def recipient_json(row: RecipientRow) -> dict[str, Any]:
    """Return a recipient with its last attempt."""
    last = {
        "started_at": _time(row.started_at),
        "ended_at": _time(row.ended_at),
        "server": row.server,
        "code": row.code,
        "enhanced": row.enhanced,
        "reply": str(row.reply or ""),
        "reason_code": reasons.code(row.reply or ""),
    }
    return {
        "id": row.id,
        "email": row.email,
        "name": row.name,
        "state": row.state,
        "attempts": row.attempts,
        "worker": row.worker,  # who sends it now, or else who tried last
        "due_at": _time(row.due_at),
        "changed_at": _time(row.changed_at),
        "last_attempt": None if row.started_at is None else last,
    }


def _object(body: bytes, example: str) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        said = f"The body is not JSON: {error}. Send one JSON object in UTF-8."
        raise Problem(400, said, "request.no-json") from None
    if not isinstance(given, dict):
        said = f"The body is not a JSON object. Send one such as {example}."
        raise Problem(422, said, "request.no-object")
    return given


def _time(ms: int | None) -> str | None:
    return formats.iso(ms) or None


def _parse(recipients: str | list[Any]) -> ParsedList:
    if isinstance(recipients, str):
        return addresses.parse_pasted(recipients)
    return addresses.parse_rows(recipients)


def _defaults(default_from: str) -> dict[str, Any]:
    return {"from": default_from, "html": "", "priority": 5, "give_up_hours": GIVE_UP_USUALLY}


def _fault(name: str, value: object) -> Fault | None:
    """Return what is wrong with one field and what to do, if anything is."""
    if problem := _problem(name, value):
        empty = name in _REQUIRED and isinstance(value, str) and not value.strip()
        return Fault(name, problem, "request.empty-field" if empty else WRONG_VALUE)
    if name in _PARTS and isinstance(value, str) and (reason := _unusable(name, value)):
        return Fault.of(name, reason)
    return None


def _problem(name: str, value: object) -> str:
    """Return what is wrong with the kind of a value and what to do; empty if nothing is."""
    if name == "send":
        return "" if isinstance(value, bool) else f"Must be true or false. {_REQUIRED[name]}"
    if name in _WHOLE:
        allowed, words = _WHOLE[name]
        return "" if _is_whole(value) and value in allowed else f"Must be a whole number {words}."
    if name == "recipients":
        return "" if isinstance(value, str | list) else f"Must be text or a list. {_REQUIRED[name]}"
    if not isinstance(value, str):
        return "Must be a string."
    if name in _REQUIRED and not value.strip():
        return f"Must not be empty. {_REQUIRED[name]}"
    return _NUL if "\0" in value else ""


def _choice_problem(name: str, value: object, action: RecipientAction) -> str:
    if name == "state":
        sources = DECISIONS[action].sources
        return "" if value in sources else f"{action} applies to recipients that are {' or '.join(sources)}."
    if name == "q":
        fits = isinstance(value, str) and "\0" not in value
        return "" if fits else "Must be a string without NUL characters."
    if name == "reply":
        fits = isinstance(value, str) and params.read_reply(value) is not None
        return "" if fits else "Must be a reply such as 550-5.7.1, or 421 without an enhanced status code."
    fits = _is_whole(value) and value in range(1, LARGEST_ID + 1)
    return "" if fits else "Must be the id of a recipient, as returned by GET /campaigns/ID/recipients."


def _no_field(name: str, known: Collection[str]) -> str:
    return f"Unknown field {name[:50]!a}. Use: {', '.join(known)}."


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _unusable(name: str, value: str) -> Reason | None:
    """Return why this part makes a message unusable, whatever its other parts are."""
    parts = {"sender_from": _PLAIN.sender_from, "subject": _PLAIN.subject, "text": _PLAIN.text}
    part = "sender_from" if name == "from" else name
    try:
        compose.prepare(Message(**(parts | {part: value})), token=_PROBE, domain=None)
    except ComposeError as error:
        return error.reason
    return None
