"""Errors as programs read them: ``application/problem+json`` (RFC 9457).

``type`` is always ``about:blank``, so ``title`` is the status in words (RFC 9457 section 4.2.1);
``detail`` says what happened and what to do, and ``code`` the same for programs. A request with several
faults lists them all in ``errors``, each with its ``field`` and a ``detail`` and ``code`` of its own.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from quart import Response
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from mailing.campaigns import queries as campaigns
from mailing.core.reasons import EntryError
from webapp.http.services import services

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from quart import Blueprint
    from sqlalchemy import Connection
    from werkzeug.exceptions import HTTPException

    from mailing.campaigns.queries import Campaign
    from mailing.core.reasons import Reason, ReasonError

NAMED = 20
LONGEST_NAME = 100  # characters of a field's name that are repeated
MEDIA_TYPE = "application/problem+json"
UNKNOWN_FIELD, WRONG_VALUE = "request.unknown-field", "request.wrong-value"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of a request: a sentence that says what to do, and a code."""

    field: str
    detail: str
    code: str

    @classmethod
    def of(cls, field: str, reason: Reason) -> Fault:
        """Return a reason as the fault of a field."""
        return cls(field, str(reason), reason.code)


class Problem(Exception):  # noqa: N818 - an answer with its status, not a malfunction
    """An answer that says why the request was not done. ``more`` are further members of the object.

    ``headers`` go with it.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        code: str,
        *,
        faults: Sequence[Fault] = (),
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.faults = tuple(faults)
        self.more = dict(more or {})
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:  # a list is read in another process, and may be refused there
        return partial(Problem, faults=self.faults, more=self.more), (self.status, str(self), self.code)


def the_campaign(connection: Connection, campaign_id: int) -> Campaign:
    """Return the campaign that the URL of a program names. Raises ``Problem`` if it does not exist."""
    found = campaigns.get(connection, campaign_id)
    if found is None:
        detail = f"Campaign {campaign_id} does not exist. Check the id in the URL."
        raise Problem(404, detail, "campaign.not-found")
    return found


def invalid(faults: Sequence[Fault], **more: Any) -> Problem:
    """Return the refusal of a change that can be read but not be done."""
    return Problem(422, f"{_summary(faults)} Nothing was changed.", _code(faults), faults=faults, more=more)


def misasked(faults: Sequence[Fault]) -> Problem:
    """Return the refusal of a question that can be read but not be answered."""
    return Problem(422, _summary(faults), _code(faults), faults=faults)


def refused(refusal: ReasonError) -> Problem:
    """Return the answer to what a campaign's state or content does not allow."""
    return Problem(409, f"{refusal} Nothing was changed.", refusal.reason.code)


@contextmanager
def refusing(refusal: type[ReasonError]) -> Iterator[None]:
    """Answer what cannot be kept with all that is wrong with it, and what is refused in this way with why."""
    try:
        yield
    except EntryError as error:
        raise invalid([Fault.of(name, it) for name, it in error.faults.items()]) from None
    except refusal as error:
        raise refused(error) from None


def unknown(names: Iterable[str], say: Callable[[str], str], code: str) -> list[Fault]:
    """Return the faults of fields that there are not: the first are named, the rest is counted.

    Whoever sends a million of them gets no answer of a million sentences (CWE-405).
    """
    rest = iter(names)
    faults = [Fault(name[:LONGEST_NAME], say(name), code) for name in itertools.islice(rest, NAMED)]
    if more := sum(1 for _ in rest):
        faults.append(Fault("", f"And {more:,} more unknown fields.", code))
    return faults


def unknown_parameters(given: Mapping[str, str], known: Collection[str]) -> list[Fault]:
    """Return a fault for each parameter that there is not: a misspelt filter must not mean everything."""
    unasked = (name for name in given if name not in known)
    return unknown(unasked, lambda name: f"Unknown parameter {name[:50]!r}.", "request.unknown-parameter")


def _summary(faults: Sequence[Fault]) -> str:
    if len(faults) == 1:
        return faults[0].detail
    many = f"more than {NAMED}" if len(faults) > NAMED else len(faults)
    return f"The request has {many} errors. Fix them all."


def _code(faults: Sequence[Fault]) -> str:
    return faults[0].code if len(faults) == 1 else "request.several-faults"


def respond(problem: Problem) -> Response:
    """Return ``problem`` as a response."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": str(problem),
        "code": problem.code,
        **problem.more,
    }
    if problem.faults:
        body["errors"] = problem.faults
    return Response(orjson.dumps(body), problem.status, problem.headers, content_type=MEDIA_TYPE)


def respond_to_http(error: HTTPException) -> Response:
    """Return what the framework refuses (no such address, wrong method, too large ...) as a response."""
    code = error.code or 500
    said = error.description or ""
    if not said or said == type(error).description:
        said = _DETAILS.get(code, HTTPStatus(code).description or HTTPStatus(code).phrase + ".")
    response = respond(Problem(code, said, _CODES.get(code, f"http.{code}")))
    response.headers.update(kept(error))
    if code == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 6750 section 3
    return response


def kept(error: HTTPException) -> dict[str, str]:
    """Return the headers of a refusal that say what else to do (RFC 9110 sections 10.2.1 and 10.2.3)."""
    return {name: value for name, value in error.get_headers() if name.lower() in {"allow", "retry-after"}}


def install(blueprint: Blueprint) -> None:
    """Answer with problems whatever goes wrong in ``blueprint``, except what the framework finds first."""
    blueprint.register_error_handler(Problem, _answer)
    blueprint.register_error_handler(DatabaseError, _answer_without_database)
    blueprint.register_error_handler(PoolTimeoutError, _answer_without_database)


async def _answer(problem: Problem) -> Response:
    return respond(problem)


async def _answer_without_database(error: Exception) -> Response:
    trouble = services().trouble(error)
    if not trouble.passing:
        return respond(Problem(503, str(trouble.reason), trouble.reason.code))
    again = " With an Idempotency-Key the call is safe to repeat."
    response = respond(Problem(503, f"{trouble.reason}{again}", trouble.reason.code))
    response.headers["Retry-After"] = "5"
    return response


_DETAILS = {
    400: "The request is invalid. The README describes the API.",
    401: "Send an API key or a token, in the header Authorization: Bearer KEY.",
    404: "Nothing exists at this URL. The API starts at /api/v1/campaigns.",
    405: "This URL does not support this method. The Allow header lists the methods it supports.",
    408: "The request did not arrive in time. Send it again.",
    413: "The request is larger than 20 MB. Split the list into several campaigns.",
    415: "Send the body as JSON, with the header Content-Type: application/json.",
    500: "Something went wrong. Saved data is safe; the server's log has the details.",
}
_CODES = {
    400: "request.malformed",
    401: "request.unauthorized",
    403: "request.forbidden",
    404: "request.not-found",
    405: "request.wrong-method",
    408: "request.timeout",
    413: "request.too-large",
    415: "request.wrong-media-type",
    421: "request.misdirected",
    500: "server.error",
    503: "server.unavailable",
}
