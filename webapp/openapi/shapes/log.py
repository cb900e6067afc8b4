"""What happened: attempts, changes by people, and events as they come."""

from typing import Annotated, Any, Literal, TypedDict

from mailing.core.states import AttemptResult, RecipientState
from webapp.openapi.shapes.common import Moment, ReasonCode, Reply, ReplyCode, Time


class LogEntry(TypedDict):
    """One delivery attempt."""

    id: int
    campaign: int
    rehearses: Annotated[int | None, "Of a rehearsal: the campaign that it is one of."]
    recipient: int
    email: str
    number: Annotated[int, "Which attempt to this recipient it was, from 1."]
    version: Annotated[int, "Which version of the message it was, from 1."]
    result: AttemptResult
    started_at: Time
    ended_at: Time
    server: str
    worker: Annotated[str | None, "Null: a person decided."]
    connection: Annotated[int | None, "The connection of the worker, counted from its start."]
    tls: Annotated[str, "The TLS version; empty without TLS."]
    took_ms: Annotated[int, "All of it, with the connection that was opened for it."]
    connect_ms: int | None
    envelope_ms: int | None
    dot_ms: int | None
    code: ReplyCode
    enhanced: Annotated[str, "The enhanced status code, such as `5.1.1`."]
    reply: Reply
    reason_code: ReasonCode


class LogPage(TypedDict):
    """Delivery attempts, newest first."""

    log: list[LogEntry]
    next: Annotated[str | None, "The `before` of the next page; null after the last."]
    searched_to: Annotated[Time | None, "How far a search came that stopped before the page was full."]


_Address = TypedDict("_Address", {"from": Annotated[str, "The IP address of the request."]})


class AuditEntry(_Address):
    """One change, or a refusal."""

    id: int
    at: Time
    by: Annotated[Literal["person", "api", "cli", "volley"], "The way it was asked for."]
    by_id: Annotated[int | None, "The id of the person or key."]
    by_name: Annotated[str, "The email address of the person, or the name of the key."]
    action: str
    about: Annotated[str, "Such as `campaign:12`; empty where there is no such thing."]
    details: dict[str, Any]


class AuditPage(TypedDict):
    """Entries of the audit log, newest first."""

    audit: list[AuditEntry]
    next: Annotated[int | None, "The `before` of the next page; null after the last."]


class EmailEvent(TypedDict):
    """What happened to one email. States are absolute, so one that comes twice is harmless."""

    type: Literal["recipient"]
    campaign: int
    recipient: int
    email: str
    state: RecipientState
    attempt: Annotated[int, "Which attempt to this recipient it was, from 1."]
    code: ReplyCode
    enhanced: Annotated[str | None, "The enhanced status code, such as `5.1.1`."]
    reply: Reply
    reason_code: ReasonCode
    worker: str
    started_at: Moment
    at: Moment
    due_at: Annotated[Moment | None, "When the next attempt is due."]


class Overflow(TypedDict):
    """Events were lost: the program read too slowly, or Redis was offline."""

    detail: str


class Beat(TypedDict):
    """Nothing happened for a while, and the server is running."""
