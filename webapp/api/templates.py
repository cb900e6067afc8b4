"""Templates for programs: those that were saved, and those that come with Volley."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts.roles import Permission
from mailing.core.bounds import LARGEST_ID
from mailing.library import templates as library
from mailing.writing import starters
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.languages import ENGLISH
from webapp.openapi import operations
from webapp.openapi.fields import Either, Name, Whole
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import messages as shapes
from webapp.ui import formats

if TYPE_CHECKING:
    from quart import Response

    from mailing.core.database import Database
    from mailing.library.templates import Template
    from mailing.writing.starters import Starter
    from mailing.writing.written import Written

blueprint = operations.blueprint("api_templates")
TEMPLATE = Either(
    (Whole(range(1, LARGEST_ID + 1), ""), Name(starters.KEYS)),
    f"Must be the id of a template, or one of: {', '.join(starters.KEYS)}.",
)


@blueprint.get("/templates")
@auth.needs(Permission.READ)
@described("Messages", {200: Answer("The templates.", shapes.Templates)})
async def list_templates() -> Response:
    """List the templates that a campaign can start from."""
    saved = await services().read(library.latest)
    answer: shapes.Templates = {
        "templates": list(map(_template, saved)),
        "built_in": list(map(_starter, starters.starters(ENGLISH))),
    }
    return operations.in_json(answer)


def written(db: Database, chosen: int | str) -> Written | None:
    """Return the message of a template, by the id of a saved one or the key of a built-in one."""
    if isinstance(chosen, str):
        built_in = starters.starter(chosen, ENGLISH)
        return built_in.written if built_in else None
    with db.read() as connection:
        saved = library.get(connection, chosen)
    return saved.written if saved else None


def _template(it: Template) -> shapes.SavedTemplate:
    return {
        "id": it.id,
        "name": it.name,
        "version": it.number,
        "subject": it.written.subject,
        "preheader": it.written.preheader,
        "writing": it.written.writing,
        "saved_at": formats.iso(it.saved_at),
    }


def _starter(it: Starter) -> shapes.BuiltInTemplate:
    return {"key": it.key, "name": it.name, "subject": it.written.subject}
