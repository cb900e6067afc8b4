"""A posted campaign: what of it there is, and all that is wrong with it at once."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailing.addresses import parsing as addresses
from mailing.addresses.findings import ENTRIES_MAX
from mailing.addresses.parsing import ParsedList
from mailing.campaigns.drafts import Draft
from mailing.contacts.audiences import MOST, Audience
from mailing.core.bounds import GIVE_UP_HOURS, GIVE_UP_USUALLY
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignAction
from mailing.library import files
from mailing.messages import compose
from mailing.messages.compose import ComposeError
from mailing.schedules.schedule import ANY_TIME
from mailing.senders.limits import NONE
from mailing.senders.routes import Route
from mailing.writing.written import Writing
from webapp.api import answers
from webapp.api.templates import TEMPLATE
from webapp.http import problems
from webapp.http.problems import Fault
from webapp.openapi import fields, timing_fields
from webapp.openapi.fields import Field, Flag, Ids, OneOf, Text, UnfitValueError, Whole
from webapp.openapi.safeguards import BREAKER, CANARY, breaker_of
from webapp.openapi.timing_fields import DESPITE_RED, PRIORITY, WHEN
from webapp.senders.programs import ROUTE
from webapp.suppression import purpose_fields
from webapp.suppression.purpose_fields import PURPOSE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from mailing.campaigns.queries import Campaign
    from mailing.schedules.schedule import Asked
    from mailing.writing.written import Written
    from webapp.openapi.fields import Schema

_GOOD = {"from": "Volley <volley@localhost>", "subject": "subject"}  # in place of a part that is no text
_SUBJECT = "Write the subject of the message."
_TEXT = "Write the text of the message."
_HTML = "Write the message, as writing says."
GIVE_A_LIST = 'Give the list: pasted text, or rows like {"email": "ann@example.org", "name": "Ann"}.'
_SEND = "Use true to send it, or false to keep a draft."


class List:
    """A list of recipients, as text or as rows. What a row cannot say is told line by line."""

    schema: Schema = {  # noqa: RUF012 - read only
        "anyOf": [
            {"type": "string"},
            {
                "type": "array",
                "items": {
                    "anyOf": [
                        {"type": "string"},
                        {
                            "type": "object",
                            "properties": {"email": {"type": "string"}, "name": {"type": "string"}},
                            "required": ["email"],
                            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
                        },
                    ]
                },
            },
        ],
    }

    def read(self, given: Any) -> str | list[Any]:
        """Return it."""
        if not isinstance(given, str | list):
            raise UnfitValueError(f"Must be text or a list. {GIVE_A_LIST}")
        return given


class _Files:
    """Files with their content in Base64 (RFC 4648 section 4), on one line or on several."""

    schema: Schema = {  # noqa: RUF012 - read only
        "type": "array",
        "maxItems": files.MOST,
        "items": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "content": {"type": "string", "contentEncoding": "base64"},
            },
            "required": ["name", "content"],
            "additionalProperties": False,
        },
    }

    def read(self, given: Any) -> tuple[tuple[str, bytes], ...]:
        if not isinstance(given, list) or len(given) > files.MOST:
            raise UnfitValueError(f"Must be a list of at most {files.MOST} files.")
        return tuple(map(self._read, given))

    def _read(self, given: Any) -> tuple[str, bytes]:
        if not isinstance(given, dict) or set(given) != {"name", "content"}:
            raise UnfitValueError('Each file must be like {"name": "a.pdf", "content": "JVBERi0…"}.')
        name, content = given["name"], given["content"]
        try:
            lines = content.split()  # RFC 2045 section 6.8, and what many programs make
            data = base64.b64decode("".join(lines), validate=True)
            name, _kind = files.judge(name if isinstance(name, str) else "", data)
        except UnfitError as error:
            raise UnfitValueError(str(error.reason), error.reason.code) from None
        except (AttributeError, ValueError):
            raise UnfitValueError(
                f"The content of {name!r:.50} is not Base64. Encode the bytes of the file, and nothing else."
            ) from None
        return name, data


LIST = List()
CAMPAIGN = (
    Field(
        "template",
        TEMPLATE,
        "The message: the newest version of a saved template, by its id, or a template that comes with "
        "Volley, by its key. A `subject` or `preheader` of your own replaces the template's.",
    ),
    Field(
        "from",
        Text(),
        "The From address, such as `Ann <ann@example.org>`. Default: the setting `VOLLEY_FROM`.",
    ),
    Field(
        "subject",
        Text(_SUBJECT),
        "The subject. Merge fields such as `{{ name }}` are filled in for each recipient. Required without "
        "`template`.",
        example="Hello {{ name }}",
    ),
    Field(
        "text",
        Text(),
        "The message as plain text, with merge fields. Without it, the text is made from `html`.",
        usual="",
        example="Dear {{ name }}, ...",
    ),
    Field(
        "html",
        Text(),
        "The same message in HTML, or as `writing` says, with merge fields.",
        usual="",
    ),
    Field(
        "writing",
        OneOf(Writing),
        "How `html` is written: `source` is a whole HTML document, `mjml` one in MJML; `markdown`, and "
        "`visual` for a fragment of HTML, are the body alone, and get a frame. With `plain` there is none.",
        usual=Writing.SOURCE,
    ),
    Field("preheader", Text(), "The line that mail programs show beside the subject.", usual=""),
    Field(
        "recipients",
        LIST,
        "The list: pasted text, or rows whose other fields fill the message, or plain addresses. "
        "A line or row without a usable address is skipped, and named in `refused`.",
        example=[{"email": "ann@example.org", "name": "Ann"}, {"email": "ben@example.org", "name": "Ben"}],
    ),
    Field("lists", Ids(MOST), "The ids of saved lists to take the recipients from, instead of `recipients`."),
    Field("minus_lists", Ids(MOST), "Not to contacts of these saved lists.", usual=()),
    Field("minus_campaigns", Ids(MOST), "Except recipients of these campaigns.", usual=()),
    Field(
        "sample",
        Whole(range(1, ENTRIES_MAX + 1), f"Must be a whole number from 1 to {ENTRIES_MAX}."),
        "At most this many of them, chosen at random.",
    ),
    Field("attachments", _Files(), "Files that go with each email, their content in Base64.", usual=()),
    Field(
        "send",
        Flag(_SEND),
        "True sends it, immediately or at `send_at`; false keeps a draft.",
        missing=_SEND,
        example=False,
    ),
    DESPITE_RED,
    *WHEN,
    replace(PRIORITY, usual=5),
    Field(
        "give_up_hours",
        Whole(GIVE_UP_HOURS, f"Must be a whole number of hours from 1 to {len(GIVE_UP_HOURS)}."),
        "For how many hours temporary failures are retried.",
        usual=GIVE_UP_USUALLY,
    ),
    BREAKER,
    CANARY,
    *ROUTE,
    *PURPOSE,
)
_ORDER = [field.name for field in CAMPAIGN]
CHANGES = tuple(
    replace(field, usual=None)
    for field in CAMPAIGN
    if field.name
    in {
        *("from", "subject", "text", "html", "writing", "preheader", "give_up_hours", "breaker", "canary"),
        *("send_at", "time_zone", "hours", "priority", "topic", "transactional"),
    }
)
"""What can be changed of a stored campaign; what is not sent stays as it is."""
_WHEN = tuple(field.name for field in WHEN)
_DRAFTS = frozenset({"from", "give_up_hours", "canary", "topic", "transactional"})
_COLUMNS = {"from": "sender_from"}
_BODY = ("text", "html", "writing")  # with a template they are its own
_LESS = ("minus_lists", "minus_campaigns", "sample")
_PARTS = tuple(field for field in CAMPAIGN if field.name in {"from", "subject", "text", "html"})


@dataclass(frozen=True, slots=True)
class PostedCampaign:
    """A posted campaign without faults: what to store, and whether to send it at once."""

    draft: Draft
    parsed: ParsedList
    send: bool
    despite_red: bool
    audience: Audience | None = None
    attachments: tuple[tuple[str, bytes], ...] = ()


def read_campaign(
    body: bytes, default_from: str, template: Callable[[int | str], Written | None]
) -> PostedCampaign:
    """Read a posted campaign; ``template`` finds the message of one by its id or key.

    Raises ``Problem`` with all faults at once. Takes seconds for a long list.
    """
    posted = fields.json_object(body, '{"subject": ..., "text": ...}')
    taken = _message_of(posted, template) if "template" in posted else {}
    given = {"from": default_from, **taken, **posted}
    faults = fields.strange(given, [field.name for field in CAMPAIGN])
    values, wrong = fields.judge(given, CAMPAIGN)
    schedule, untimely = timing_fields.judge(timing_fields.asked(values), ANY_TIME)
    purpose, unfit = purpose_fields.judge(values)
    wrong += [fault for fault in (*untimely, *unfit) if fault.field not in {it.field for it in wrong}]
    written = {name: values.get(name) or usual for name, usual in _GOOD.items()}
    draft = Draft(
        written["from"],
        written["subject"],
        values.get("text") or "",
        values.get("html") or "",
        values.get("priority") or 0,
        values.get("give_up_hours") or GIVE_UP_USUALLY,
        values.get("preheader") or "",
        values.get("writing") or Writing.SOURCE,
        breaker_of(values.get("breaker")),
        values.get("canary") or 0,
        schedule=schedule,
        route=Route(values.get("senders"), values.get("limits") or NONE),
        purpose=purpose,
    )
    if "subject" not in given:
        wrong.append(Fault("subject", f'"subject" is missing. {_SUBJECT}', "request.missing-field"))
    wrong += _unsent(draft, posted)
    wrong += message_faults(draft, {fault.field for fault in wrong})
    its = taken.keys() - posted.keys()
    wrong = [_of_template(fault) if fault.field in its else fault for fault in wrong]
    faults += sorted(wrong, key=lambda fault: _ORDER.index(fault.field))
    parsed, audience = ParsedList(), None
    recipients, chosen = values.get("recipients"), values.get("lists")
    if not chosen:
        said = 'It goes with "lists" only. Give the saved lists to take the recipients from.'
        faults += [Fault(name, said, "request.without-lists") for name in _LESS if posted.get(name)]
    if chosen and recipients is None and not {*_LESS} & {fault.field for fault in faults}:
        audience = Audience(chosen, values["minus_lists"], values["minus_campaigns"], sample=values["sample"])
    elif chosen and recipients is not None:
        faults.append(Fault("lists", "Give either recipients or lists.", "request.both"))
    elif recipients is None and not chosen and not {"recipients", "lists"} & {it.field for it in faults}:
        said = f'"recipients" is missing. {GIVE_A_LIST}'
        faults.append(Fault("recipients", said, "request.missing-field"))
    if recipients is not None:
        parsed = _parse(recipients)
        if not parsed.entries:
            what = "Every line was skipped" if parsed.refused else "The list is empty"
            said = f"{what}. Give at least one valid address."
            faults.append(Fault("recipients", said, "list-fault.no-addresses"))
    if faults:
        raise problems.invalid(faults, **answers.refused(parsed.refused))
    send, despite_red, attached = (values[name] for name in ("send", "despite_red", "attachments"))
    return PostedCampaign(draft, parsed, send, despite_red, audience, attached)


def read_changes(body: bytes, campaign: Campaign) -> tuple[Draft, Asked]:
    """Read the changes of a campaign; return the draft that it becomes, and what is asked of its schedule.

    Of one that was sent only the message, its breaker, its hours and its priority can be changed. Raises
    ``Problem`` with all faults.
    """
    given = fields.json_object(body, '{"subject": ...}')
    values, faults = fields.judge(given, CHANGES)
    faults += fields.strange(given, [field.name for field in CHANGES])
    if CampaignAction.EDIT not in campaign.actions:
        said = "Only a draft's can be changed. Leave it out."
        faults += [Fault(name, said, "request.drafts-only") for name in sorted(_DRAFTS & given.keys())]
    changed = {_COLUMNS.get(name, name): values[name] for name in given if name in values}
    asked = timing_fields.asked({name: changed.pop(name, None) for name in _WHEN})
    schedule, untimely = timing_fields.judge(asked, campaign.schedule)
    purpose, unfit = purpose_fields.judge(
        {field.name: changed.pop(field.name, None) for field in PURPOSE}, campaign.purpose
    )
    faults += [fault for fault in (*untimely, *unfit) if fault.field not in {it.field for it in faults}]
    draft = replace(Draft.of(campaign), **changed, schedule=schedule, purpose=purpose)
    if faults := faults + message_faults(draft, {fault.field for fault in faults}):
        raise problems.invalid(faults)
    return draft, asked


def _message_of(posted: Mapping[str, Any], template: Callable[[int | str], Written | None]) -> dict[str, str]:
    """Return the message that a posted campaign takes from a template. Raises ``Problem`` if it cannot."""
    faults = [
        Fault(part, f"Give either template or {part}.", "request.both") for part in _BODY if part in posted
    ]
    found: Written | None = None
    try:
        found = template(chosen := TEMPLATE.read(posted["template"]))
        if found is None:
            said = f"Template {chosen} does not exist. GET /api/v1/templates lists them."
            faults.append(Fault("template", said, "saved-template.not-found"))
    except UnfitValueError as error:
        faults.append(Fault("template", str(error), error.code))
    if faults or found is None:
        raise problems.invalid(faults)
    message = {"subject": found.subject, "preheader": found.preheader}
    return message | {"text": found.text, "html": found.html, "writing": found.writing}


def _unsent(draft: Draft, posted: Mapping[str, Any]) -> list[Fault]:
    """Return a fault for each part that was posted and would not be sent."""
    html, faults = draft.html.strip() if draft.writing is not Writing.PLAIN else "", list[Fault]()
    if draft.html.strip() and not html and "html" in posted:
        said = "With writing plain no HTML is sent. Leave html out, or choose another writing."
        faults.append(Fault("html", said, "request.not-sent"))
    if draft.preheader.strip() and not html and "preheader" in posted:
        said = "It is a part of the HTML, and there is none. Give html, or leave preheader out."
        faults.append(Fault("preheader", said, "request.not-sent"))
    return faults


def _of_template(fault: Fault) -> Fault:
    return Fault("template", f"In its {fault.field}: {fault.detail}", fault.code)


def _parse(recipients: str | list[Any]) -> ParsedList:
    if isinstance(recipients, str):
        return addresses.parse_pasted(recipients)
    return addresses.parse_rows(recipients)


def message_faults(draft: Draft, known: Collection[str] = ()) -> list[Fault]:
    """Return what is wrong with a message, part by part, but for parts of which a fault is ``known``."""
    written = {"from": draft.sender_from, "subject": draft.subject, "text": draft.text, "html": draft.html}
    faults = [fault for fault in fields.judge(written, _PARTS)[1] if fault.field not in known]
    known = {*known, *(fault.field for fault in faults)}
    lacking = draft.written.lacks
    if lacking and not {"text", "html"} & known:
        part, todo = (
            ("text", _TEXT) if lacking == "text" or draft.writing is Writing.SOURCE else ("html", _HTML)
        )
        faults.append(Fault(part, f'"{part}" is missing or empty. {todo}', "request.missing-field"))
    try:
        wrong = compose.faults(draft.message)
    except ComposeError as error:
        wrong = [error]
    return faults + [Fault.of(error.field, error.reason) for error in wrong if error.field not in known]
