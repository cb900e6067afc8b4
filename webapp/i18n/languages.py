"""The language of a page: the reader's choice, else the browser's, else English.

English stands in the code: ``_("Queued")`` and ``ngettext("%(n)s email", "%(n)s emails", n)``, in templates
and in Python alike; ``N_`` and ``NN_`` mark the texts of a table, which are translated where they are
shown. ``translations/vi.po`` holds the other language; ``make translations`` updates it.

The language is a context variable. A request sets it, and what the request starts (its stream, its
threads) inherits it. What is rendered once for several readers belongs under a key with ``current()``.
"""

from __future__ import annotations

import io
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel import Locale
from babel.messages import mofile, pofile
from babel.support import NullTranslations, Translations
from markupsafe import Markup
from quart import request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from quart import Quart

ENGLISH = "en"
LANGUAGES: Mapping[str, str] = {ENGLISH: "English", "vi": "Tiếng Việt"}
COOKIE = "language"
FOLDER = Path(__file__).resolve().parent / "translations"
_LOCALES = {ENGLISH: Locale("en", "GB"), "vi": Locale("vi")}
NBSP = "\N{NO-BREAK SPACE}"

_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def install(app: Quart, *, english: str) -> None:
    """Let every request of ``app`` have its language; paths that begin with ``english`` are for programs."""

    async def choose() -> None:
        speak(ENGLISH if request.path.startswith(english) else _asked_for())

    app.before_request(choose)
    env: Environment = app.jinja_env
    env.add_extension("jinja2.ext.i18n")
    env.policies["ext.i18n.trimmed"] = True
    env.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension defines it
    env.globals.update(_=_, ngettext=ngettext, gettext=markup, language=current, LANGUAGES=LANGUAGES)


def current() -> str:
    """Return the language now, ``en`` or ``vi``: what is rendered for many readers is kept per language."""
    return _current.get()


def speak(language: str) -> None:
    """Let everything that follows in this task be in ``language``."""
    _current.set(language)


def locale() -> Locale:
    """Return how the language now writes dates and numbers."""
    return _LOCALES[current()]


def grouped(value: int) -> str:
    """Return ``48,210`` for 48210."""
    text = f"{value:,}"
    return text if current() == ENGLISH else text.replace(",", _symbols(current())[0])


def point(text: str) -> str:
    """Return an English decimal without groups, ``40.2``, as the language now writes it."""
    return text if current() == ENGLISH else text.replace(".", _symbols(current())[1])


def _(message: str, **values: object) -> str:
    """Return ``message`` in the language now. A literal percent sign is written ``%%``."""
    text = _catalogue(current()).gettext(message)
    return text % values if values or "%" in text else text


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    """Return the form that fits ``n``, which ``%(n)s`` shows in groups and never parted from its noun."""
    text = _catalogue(current()).ngettext(one, many, n).replace("%(n)s ", f"%(n)s{NBSP}")
    return str(text % {"n": grouped(n), **values})


def N_(message: str) -> str:  # noqa: N802 - the name that gettext's tools know
    """Mark ``message`` for the catalogue; ``_`` translates it where it is shown."""
    return message


def NN_(one: str, many: str) -> tuple[str, str]:  # noqa: N802
    """Mark both forms for the catalogue; ``ngettext`` chooses one where it is shown."""
    return one, many


def markup(message: str, **values: object) -> Markup:
    """Return the text of a ``{% trans %}`` block, which may hold tags; values are escaped."""
    return Markup(_catalogue(current()).gettext(message)) % values  # noqa: S704 - written by us, like a template


def _asked_for() -> str:
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    return request.accept_languages.best_match(list(LANGUAGES), ENGLISH) or ENGLISH


@cache
def _symbols(language: str) -> tuple[str, str]:
    symbols: Mapping[str, Any] = _LOCALES[language].number_symbols["latn"]
    return symbols["group"], symbols["decimal"]


@cache
def _catalogue(language: str) -> NullTranslations:
    if language == ENGLISH:
        return NullTranslations()
    compiled = io.BytesIO()
    with (FOLDER / f"{language}.po").open("rb") as file:
        mofile.write_mo(compiled, pofile.read_po(file, locale=language))
    compiled.seek(0)
    return Translations(compiled)
