"""What several answers say: times, codes, replies, lines that were skipped, and problems."""

from typing import Annotated, Literal, NotRequired, TypedDict


class Format(str):
    """The ``format`` of a text, as JSON Schema calls it."""

    __slots__ = ()


Time = Annotated[str, Format("date-time")]
"""RFC 3339, in UTC."""

Moment = Annotated[int, "Milliseconds since 1970, in UTC."]
Code = Annotated[str, "The same for programs: the sentence may change, the code stays."]
Reply = Annotated[str, "What the mail server answered, verbatim. Without a reply, a sentence of Volley."]
ReasonCode = Annotated[str | None, "The code of a sentence of Volley; null beside a server's own words."]
ReplyCode = Annotated[int | None, "The three digits of the reply."]


class SkippedLine(TypedDict):
    """A line or row that was skipped: nothing is sent to it."""

    line: Annotated[int, "The line or row, counted from 1."]
    text: Annotated[str, "The start of it."]
    reason: str
    code: Code


class FieldError(TypedDict):
    """What is wrong with one field of a request."""

    field: Annotated[str, "Its name; empty where more are meant than can be named."]
    detail: Annotated[str, "A sentence that says what to do."]
    code: Code


class Problem(TypedDict):
    """Why a request was not done (RFC 9457)."""

    type: Literal["about:blank"]
    title: Annotated[str, "The status in words."]
    status: int
    detail: Annotated[str, "A sentence that says what happened and what to do."]
    code: Code
    errors: NotRequired[Annotated[list[FieldError], "Every error of the request."]]
