"""What a browser is shown where a request fails: what happened, said once, and the page to continue from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from quart import Response, current_app, render_template, request
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from webapp.http import problems
from webapp.http.auth import NotSetUpError
from webapp.http.services import services
from webapp.i18n import domain_texts
from webapp.i18n.languages import N_, _
from webapp.openapi import operations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Quart

NOT_FOUND, SERVER_ERROR = 404, 500
_CAMPAIGN = re.compile(r"(/campaigns/[1-9][0-9]*)(/|$)")
_TITLES: Mapping[int, tuple[str, str]] = {  # status -> title, and what to do where no more is known
    400: (N_("Invalid request"), N_("Check the URL.")),
    401: (N_("Sign in"), ""),
    403: (N_("Not allowed"), ""),
    404: (N_("Page not found"), N_("Check the URL.")),
    405: (N_("Method not allowed"), N_("This URL does not accept such a request. Open the page instead.")),
    409: (N_("No longer possible"), ""),
    413: (N_("Too large"), ""),
    415: (N_("Unsupported content"), ""),
    421: (N_("Wrong address"), ""),
    429: (N_("Too many attempts"), ""),
    503: (N_("No answer"), ""),
    500: (N_("Something went wrong"), N_("Your saved data is safe. The cause is in the server's log.")),
}


class Way(NamedTuple):
    """A page to continue from: the section of the navigation, its path, and the words of the link."""

    section: str
    path: str
    words: str


_OVERVIEW = Way("", "/", N_("Overview"))
_SECTIONS = (
    Way("campaigns", "/campaigns", N_("Campaigns")),
    Way("lists", "/lists", N_("Lists")),
    Way("workers", "/workers", N_("Workers")),
    Way("history", "/history", N_("Email log")),
    Way("inbox", "/inbox", N_("Demo inbox")),
)


def install(app: Quart) -> None:
    """Let the errors of ``app`` be answered with a page, or with a problem where a program asks."""
    app.register_error_handler(HTTPException, _explain)
    app.register_error_handler(DatabaseError, _explain_the_database)
    app.register_error_handler(PoolTimeoutError, _explain_the_database)


def way(code: int, path: str) -> Way:
    """Return where to continue: the campaign of ``path``, else its section, else the overview."""
    campaign = _CAMPAIGN.match(path)
    if campaign and code != NOT_FOUND:
        return Way("campaigns", campaign[1], N_("View campaign"))
    inside = (it for it in _SECTIONS if f"{path}/".replace(".", "/").startswith(f"{it.path}/"))
    return next(inside, _OVERVIEW)


async def _explain(error: HTTPException) -> Response | tuple[str, int, dict[str, str]]:
    """Answer with a page that says what happened and what to do; programs get a problem."""
    if request.path.startswith(operations.PREFIX) or operations.description_of(current_app, request.endpoint):
        return problems.respond_to_http(error)
    code = error.code or SERVER_ERROR
    title, advice = _TITLES.get(code, (error.name, ""))
    said = error.description or ""
    ours = said if said and said != type(error).description else ""
    page = await render_template(
        "accounts/not_set_up.html" if isinstance(error, NotSetUpError) else "shared/error.html",
        code=code,
        title=_(title),
        said=ours or (advice and _(advice)),
        again=code >= SERVER_ERROR and request.method == "GET",
        way=(on := way(code, request.path)),
        section=on.section,
    )
    return page, code, problems.kept(error)


async def _explain_the_database(error: Exception) -> Response | tuple[str, int, dict[str, str]]:
    trouble = services().trouble(error)
    return await _explain(ServiceUnavailable(domain_texts.say(trouble.reason)))
