"""What a reader chose: the language and the theme of the pages, kept in cookies. No account is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from quart import Blueprint, abort, current_app, redirect, request

from webapp.http import auth, origins, security
from webapp.http.services import services
from webapp.i18n import languages
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from werkzeug.wrappers import Response

blueprint = Blueprint("preferences", __name__)
THEME = "theme"
SYSTEM = "system"
THEMES = (SYSTEM, "light", "dark")
_CHOICES: Mapping[str, Collection[str]] = {languages.COOKIE: languages.LANGUAGES, THEME: THEMES}
_YEAR_S = 365 * 24 * 3600


@blueprint.post("/preferences")
@auth.open_to_all("the sign-in page has them, too: they change cookies of the browser alone", always=True)
async def choose() -> Response:
    """Keep what the pressed button says, and lead back to the page that it stands on."""
    form = await request.form
    response = redirect(services().at(_page_before()), 303)
    for name, choices in _CHOICES.items():
        if value := form.get(name):
            if value not in choices:
                abort(400, _("Invalid option. Use the buttons at the bottom of the page."))
            response.set_cookie(name, value, max_age=_YEAR_S, **security.cookie_rights())
    return response


def _page_before() -> str:
    """Return the path of the page with the button, if it is ours and can be shown again."""
    page = origins.page_before()
    known = current_app.url_map.bind("").test(unquote(page.partition("?")[0]), "GET")
    return page if page and known else "/"


def theme() -> str:
    """Return ``light`` or ``dark`` if this reader chose it, else ``system``."""
    chosen = request.cookies.get(THEME, "")
    return chosen if chosen in THEMES else SYSTEM
