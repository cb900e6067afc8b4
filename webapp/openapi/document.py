"""The OpenAPI 3.1 document: what programs can call, what they send and get, made of what the routes say."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from mailing.core.bounds import LARGEST_ID
from webapp.http.auth import COOKIE
from webapp.http.problems import MEDIA_TYPE
from webapp.openapi import fields
from webapp.openapi.headers import KEY
from webapp.openapi.operations import JSON
from webapp.openapi.shapes.common import Format, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mailing.sites import Site
    from webapp.openapi.fields import Schema
    from webapp.openapi.operations import Answer, Operation

    Shapes = dict[str, Schema]

VERSION = "1"
_ABOUT = """\
Create campaigns, send them, and follow every single email.

Send a key or a token as `Authorization: Bearer …`; each operation names the scope that it needs. Without an
account, on a machine of your own, no key is needed.

An error is `application/problem+json` (RFC 9457): `detail` is a sentence that says what to do, `code` says
the same for programs, and `errors` has each wrong field. Sentences may change, codes stay. An unknown
field or parameter is an error. A response may get further members in later versions.

Times are RFC 3339 strings in UTC. A page of a list ends with `next`: the `before` or `after` of the next one.
"""
_REFUSED = {
    400: "The body is not JSON, a header is invalid, or a key is in the URL.",
    401: "There is no valid key, token or session.",
    403: "The key or role does not allow it, or the request came from another site's page.",
    404: "Nothing with this id exists.",
    408: "The body did not arrive in time.",
    409: "The state of the campaign, or its content, does not allow it. Nothing was changed.",
    413: "The body is too large: 20 MB with a list, 64 KB otherwise.",
    415: "The body is not sent as JSON, with the header `Content-Type: application/json`.",
    421: "Volley does not answer to this host name.",
    422: "A field or parameter is invalid. `errors` names each. Nothing was changed.",
    429: "Too many requests. Send the next one after `Retry-After`.",
    500: "Something went wrong. Saved data is safe; the server's log has the details.",
    503: "The database does not respond, too many long lists are being read, or Volley is not set up yet.",
}
_HEADERS = {
    "Location": ("The path of the new campaign.", {"type": "string", "format": "uri-reference"}),
    "Retry-After": ("After how many seconds to repeat the request.", {"type": "integer", "minimum": 0}),
    "RateLimit": ("The rest of the limit (draft-ietf-httpapi-ratelimit-headers).", {"type": "string"}),
    "RateLimit-Policy": ("The limit itself.", {"type": "string"}),
    "WWW-Authenticate": ("`Bearer` (RFC 6750).", {"type": "string"}),
}
_REFUSED_WITH = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}
_SENT_HEADERS = {
    "Idempotency-Key": (
        "A value of your own, such as a UUID. A call that repeats key and body gets the first answer.",
        {"type": "string", "pattern": f"^{KEY.pattern}$"},
    ),
}
_PLAIN: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    dict: {"type": "object"},
    Any: {},
}


def document(called: Iterable[Operation], site: Site) -> dict[str, Any]:
    """Return the document of these operations of the Volley at ``site``."""
    shapes: Shapes = {}
    paths: dict[str, Any] = {}
    topics: dict[str, None] = {}
    for operation in called:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, shapes)
        topics[operation.description.topic] = None
    refusals = {refusal(status): _problem(status, shape(Problem, shapes)) for status in _REFUSED}
    cookie = f"__Host-{COOKIE}" if site.scheme == "https" else COOKIE
    return {
        "openapi": "3.1.0",
        "info": {"title": "Volley", "version": VERSION, "description": _ABOUT},
        "servers": [{"url": site.origin + site.prefix}],
        "tags": [{"name": topic} for topic in topics],
        "paths": paths,
        "components": {
            "schemas": {name: shapes[name] for name in sorted(shapes)},
            "responses": refusals,
            "headers": {name: {"description": said, "schema": of} for name, (said, of) in _HEADERS.items()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key, or a token made from one. It needs the scopes named.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": cookie,
                    "description": "The browser of a person who is signed in, whose role has the same names.",
                },
            },
        },
    }


def _operation(operation: Operation, shapes: Shapes) -> dict[str, Any]:
    description, door = operation.description, operation.door
    needed = [str(door.permission)] if door.permission else []
    secured = [{"bearer": needed}, *([{"session": needed}] if door.permission else [])]
    answers = {str(status): _answer(answer, shapes) for status, answer in description.answers.items()}
    for status in operation.refuses:
        if str(status) in answers:  # it gives this answer in two forms
            more = _problem(status, shape(Problem, shapes))["content"]
            answers[str(status)]["content"] |= more
        elif status == HTTPStatus.UNPROCESSABLE_ENTITY and description.refusal is not Problem:
            answers[str(status)] = _problem(status, shape(description.refusal, shapes))
        else:
            answers[str(status)] = {"$ref": f"#/components/responses/{refusal(status)}"}
    parameters = [
        *({"in": "path", "name": name, "required": True, "schema": _ID} for name in operation.ids),
        *({"in": "path", "name": name, "required": True, "schema": _NAME} for name in operation.names),
        *(
            {"in": "query", "name": each.name, "description": each.about, "schema": _bare(each)}
            for each in description.query
        ),
        *(
            {"in": "header", "name": name, "description": said, "schema": of}
            for name, (said, of) in _SENT_HEADERS.items()
            if name in description.headers
        ),
    ]
    return {
        "operationId": operation.id,
        "tags": [description.topic],
        "summary": operation.summary,
        **({"description": operation.about} if operation.about else {}),
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": _body(operation)} if operation.fields is not None else {}),
        "responses": dict(sorted(answers.items())),
        "security": secured if door.permission or door.key else [],
    }


_NAME: Schema = {"type": "string", "minLength": 1}
_ID: Schema = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}


def _bare(field: fields.Field) -> Schema:
    return {name: value for name, value in field.schema.items() if name != "description"}


def _body(operation: Operation) -> dict[str, Any]:
    known = operation.fields or ()
    content = {JSON: {"schema": fields.schema(known)}}
    if operation.description.upload:
        form = fields.schema(operation.description.upload)
        form["properties"]["file"] = {"type": "string", "contentMediaType": "application/octet-stream"}
        form["required"] = [*form.get("required", ()), "file"]
        content["multipart/form-data"] = {"schema": form}
    return {"required": any(field.missing for field in known), "content": content}


def _answer(answer: Answer, shapes: Shapes) -> dict[str, Any]:
    of = {"type": "string"} if answer.shape is None else shape(answer.shape, shapes)
    parts = {name: shape(part, shapes) for name, part in answer.parts.items()}
    told = {"x-line" if "" in parts else "x-events": parts.get("", parts)} if parts else {}
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in answer.headers}
    return {
        "description": answer.about,
        **({"headers": headers} if headers else {}),
        "content": {answer.media: {"schema": of, **told}},
    }


def refusal(status: int) -> str:
    """Return the name under which the document keeps the answer with this status."""
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def _problem(status: int, of: Schema) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _REFUSED_WITH.get(status, ())}
    return {
        "description": _REFUSED[status],
        **({"headers": headers} if headers else {}),
        "content": {MEDIA_TYPE: {"schema": of}},
    }


def shape(kind: Any, shapes: Shapes) -> Schema:
    """Return the JSON Schema of a type. What has a name is put into ``shapes``, and referred to."""
    if make := _MADE.get(get_origin(kind)):
        return make(get_args(kind), shapes)
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if kind.__name__ not in shapes:
        shapes[kind.__name__] = {}  # one that refers to itself finds it
        shapes[kind.__name__] = _named(kind, shapes)
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _said(args: tuple[Any, ...], shapes: Shapes) -> Schema:
    schema = shape(args[0], shapes)
    for said in args[1:]:
        schema = schema | {"format" if isinstance(said, Format) else "description": str(said)}
    return schema


def _or_null(args: tuple[Any, ...], shapes: Shapes) -> Schema:
    """Return the schema of what may be null, or of several kinds."""
    one, *others = (shape(each, shapes) for each in args if each is not NoneType)
    if others:
        return {"anyOf": [one, *others, *([_PLAIN[NoneType]] if NoneType in args else [])]}
    if "$ref" in one or "enum" in one:
        return {"anyOf": [one, _PLAIN[NoneType]]}
    return one | {"type": [one["type"], "null"]}


def _by_name(args: tuple[Any, ...], shapes: Shapes) -> Schema:
    key, value = args[0], shape(args[1], shapes)
    if issubclass(key, StrEnum):  # each of them is there
        names = [str(member) for member in key]
        return {"type": "object", "properties": dict.fromkeys(names, value), "required": names}
    return {"type": "object", "additionalProperties": value}


def _named(kind: Any, shapes: Shapes) -> Schema:
    if not is_typeddict(kind):
        return {"type": "string", "enum": [str(member) for member in kind]}
    hints = get_type_hints(kind, include_extras=True)
    needed = [name for name, hint in hints.items() if get_origin(hint) is not NotRequired]
    return {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "properties": {name: shape(hint, shapes) for name, hint in hints.items()},
        **({"required": needed} if needed else {}),
    }


_MADE: Mapping[Any, Callable[[tuple[Any, ...], Shapes], Schema]] = {
    Annotated: _said,
    Union: _or_null,
    UnionType: _or_null,
    NotRequired: lambda args, shapes: shape(args[0], shapes),
    Literal: lambda args, _shapes: {"type": "string", "enum": [*args]},
    list: lambda args, shapes: {"type": "array", "items": shape(args[0], shapes)},
    dict: _by_name,
}
