"""The shapes of answers about messages, as those in ``shapes``."""

from typing import Annotated, TypedDict

from mailing.internet.findings import Light
from mailing.smtp.dialogue import Side
from mailing.smtp.replies import Stage
from mailing.writing.written import Writing
from webapp.openapi.shapes.common import Code, ReasonCode, Reply, Time


class Person(TypedDict):
    """A recipient of the campaign, whose data fill the message."""

    id: int
    email: str
    name: str


class HeaderField(TypedDict):
    """One field of the header."""

    name: str
    value: Annotated[str, "On one line, decoded (RFC 2047)."]


class MessageFile(TypedDict):
    """A file of the message."""

    name: str
    type: Annotated[str, "Its media type."]
    size: Annotated[int, "In bytes."]


class MessagePreview(TypedDict):
    """A message as one address gets it."""

    recipient: Person
    to: Annotated[str, "The address that gets it. One that is not in the list gets the recipient's data."]
    subject: str
    headers: list[HeaderField]
    text: Annotated[str, "The text part; empty without one."]
    html: Annotated[str, "The HTML part; empty without one."]
    files: list[MessageFile]
    size: Annotated[int, "How many bytes of `source` there are."]
    source: Annotated[str, "All of the message exactly as it is sent, but for the `Date` of sending."]


class DialogueLine(TypedDict):
    """One thing that was said to a mail server, or by it."""

    ms: Annotated[int, "Milliseconds since the start."]
    side: Annotated[Side, "Who spoke; `note` tells what else happened."]
    stage: Annotated[Stage | None, "The step of the dialogue; null at the goodbye."]
    said: Annotated[str, "The words. Nothing that signs in is shown."]
    reason_code: ReasonCode


class SentTest(TypedDict):
    """A test that was sent, or was not accepted."""

    accepted: Annotated[bool, "Whether the server accepted the email."]
    reply: Reply
    reason_code: ReasonCode
    to: str
    recipient: Person
    server: str
    began_at: Time
    dialogue: list[DialogueLine]


class PreflightFinding(TypedDict):
    """One line of the check."""

    severity: Annotated[Light, "`red`: to fix; `amber`: please check; `unknown`: could not be found out."]
    detail: Annotated[str, "The finding, in a sentence."]
    code: Code
    todo: Annotated[str | None, "A sentence that says what to do; null where nothing has to be done."]
    todo_code: Annotated[str | None, "The code of that sentence."]


class Preflight(TypedDict):
    """What a check before sending found, the gravest first."""

    findings: list[PreflightFinding]
    counts: Annotated[dict[Light, int], "How many findings there are of each severity."]
    links: Annotated[int, "How many web links the message has, but for those that may unsubscribe."]
    links_opened: bool


class SavedTemplate(TypedDict):
    """A saved message that campaigns can start from."""

    id: int
    name: str
    version: Annotated[int, "Counts up each time it is saved."]
    subject: str
    preheader: str
    writing: Writing
    saved_at: Time


class BuiltInTemplate(TypedDict):
    """A template that comes with Volley."""

    key: str
    name: str
    subject: str


class Templates(TypedDict):
    """What a campaign can start from."""

    templates: Annotated[list[SavedTemplate], "The 200 that were saved last, newest first."]
    built_in: list[BuiltInTemplate]
