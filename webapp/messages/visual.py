"""The visual editor, in a frame of its own: the only page whose policy lets styles stand in the HTML."""

from __future__ import annotations

import asyncio

from quart import Blueprint, Response, abort, render_template, request

from mailing.accounts.roles import Permission
from mailing.messages.compose import ComposeError
from mailing.writing import markdown
from webapp.http import auth, security
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import N_, _

blueprint = Blueprint("visual", __name__)
_VERSION = "1.0.14"
_PLUGINS = ("autolink", "image", "link", "lists", "table")
PARTS = (
    f"vendor/hugerte-{_VERSION}.min.js",
    *(f"vendor/hugerte-{part}-{_VERSION}.min.js" for part in ("theme", "model", "icons", *_PLUGINS)),
    "marks.js",
    "visual.js",
)
"""The scripts of the editor, in their order."""
WORDS = (
    *(
        N_("Undo"),
        N_("Redo"),
        N_("Blocks"),
        N_("Paragraph"),
        N_("Heading 1"),
        N_("Heading 2"),
        N_("Heading 3"),
    ),
    *(N_("Bold"), N_("Italic"), N_("Underline"), N_("Text color"), N_("Bullet list"), N_("Numbered list")),
    *(N_("Align left"), N_("Align center"), N_("Align right"), N_("Link"), N_("Image"), N_("Table")),
    *(N_("Insert/edit link"), N_("Insert/edit image"), N_("URL"), N_("Text to display"), N_("Title")),
    *(N_("Open link in..."), N_("Source"), N_("Alternative description"), N_("Width"), N_("Height")),
    *(N_("Save"), N_("Cancel"), N_("Close"), N_("Insert table"), N_("Table properties"), N_("Delete table")),
    *(N_("Cell"), N_("Row"), N_("Column"), N_("Current window"), N_("New window"), N_("Remove color")),
    *(N_("Custom color"), N_("Rich Text Area"), N_("Constrain proportions")),
)
"""What the editor says of itself, in its own English."""


@blueprint.get("/messages/visual")
@auth.needs(Permission.WRITE)
async def show() -> Response:
    """Show the editor, empty: the form around it fills it in."""
    words = {word: _(word) for word in WORDS}
    page = Response(await render_template("messages/visual.html", parts=PARTS, words=words))
    page.headers.update(security.EDITOR_HEADERS)
    return page


@blueprint.post("/messages/markdown")
@auth.needs(Permission.WRITE)
async def render() -> Response:
    """Return the HTML of a body in Markdown, as text: somebody goes on in another editor."""
    source = (await request.form).get("html", "")
    try:
        html = await asyncio.to_thread(markdown.body, source)
    except ComposeError as error:
        abort(422, say_why(error))
    return Response(html, content_type="text/plain; charset=utf-8")
