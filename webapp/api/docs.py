"""The OpenAPI document, as a file for programs and as a page on which people read and try it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from markupsafe import Markup
from quart import Blueprint, Response, current_app, render_template

from mailing.accounts.roles import Permission
from mailing.core.bounds import LARGEST_ID
from webapp.http import auth
from webapp.http.services import services
from webapp.openapi import document as openapi
from webapp.openapi import operations
from webapp.openapi.operations import PREFIX, Answer, described

if TYPE_CHECKING:
    from jinja2 import Environment

    from webapp.openapi.fields import Schema

blueprint = Blueprint("docs", __name__)


def install(env: Environment) -> None:
    """Give the templates what the page of the API needs."""
    env.filters.update(prose=_prose, kind=_kind, example=_example)


@blueprint.get(f"{PREFIX}/openapi.json")
@auth.needs(Permission.READ)
@described("This document", {200: Answer("The document.", dict)})
async def get_openapi_document() -> Response:
    """Get this description of the API, in OpenAPI 3.1."""
    return operations.in_json(_document())


@blueprint.get("/api/docs")
@auth.needs(Permission.READ)
async def page() -> str:
    """Show what programs can call, with a form to try each of it."""
    document = _document()
    topics: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            topics[operation["tags"][0]].append({"method": method.upper(), "path": path, **operation})
    statuses = {openapi.refusal(status): int(status) for status in HTTPStatus}
    return await render_template(
        "api/docs.html", document=document, topics=topics, statuses=statuses, section="api"
    )


def _document() -> dict[str, Any]:
    """Return the document, made when it is first asked for: routes and settings stay as they are."""
    kept = current_app.extensions
    if "openapi" not in kept:
        kept["openapi"] = openapi.document(operations.listed(current_app), services().settings.site)
    document: dict[str, Any] = kept["openapi"]
    return document


def _prose(text: str) -> Markup:
    """Return sentences with their names marked as code; several paragraphs as such."""
    paragraphs = [_marked(part.strip()) for part in text.split("\n\n")]
    if len(paragraphs) == 1:
        return paragraphs[0]
    return Markup("").join(Markup("<p>{}</p>").format(part) for part in paragraphs)


def _marked(text: str) -> Markup:
    parts = enumerate(text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in parts)


def _kind(schema: Schema) -> Markup:
    """Return in words which values a schema allows."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema-{}">{}</a>').format(name, name)
    if "anyOf" in schema:
        return Markup(" or ").join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return Markup(" | ").join(Markup("<code>{}</code>").format(each) for each in schema["enum"] if each)
    if schema.get("type") == "array":
        return Markup("list of {}").format(_kind(schema["items"]))
    kinds = schema.get("type", "anything")
    said = kinds if isinstance(kinds, str) else " or ".join(kinds)
    if "format" in schema:
        said = f"{said} ({schema['format']})"
    if "minimum" in schema:
        said = f"{said} from {schema['minimum']}"
        said += f" to {schema['maximum']}" if schema["maximum"] < LARGEST_ID else ""
    return Markup("{}").format(said)


def _example(schema: Schema) -> str:
    """Return a body that may be sent; empty where none needs to be."""
    body = {name: each["examples"][0] for name, each in schema["properties"].items() if "examples" in each}
    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() if body else ""
