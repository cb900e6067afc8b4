"""The texts of the code, and their catalogue, which ``make translations`` brings up to date."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages import pofile
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file

from mailing.core.reasons import WORDING
from mailing.settings import ROOT
from webapp.i18n.languages import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGE = "vi"
FILE = FOLDER / f"{LANGUAGE}.po"
TEMPLATES = ROOT / "templates"
MARKS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "NN_": (1, 2)}
TEMPLATE_OPTIONS = {
    "newstyle_gettext": "true",
    "trimmed": "true",
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "silent": "false",
}


def main() -> None:
    """Add what is new, drop what is gone, and say what remains to be translated."""
    catalogue = stored() if FILE.exists() else Catalog(LANGUAGE)
    catalogue.update(extracted(), no_fuzzy_matching=True)
    FILE.write_bytes(written(catalogue))
    missing = [message.id for message in catalogue if message.id and not done(message.string)]
    print(f"{FILE.name}: {len(catalogue)} texts, {len(missing)} to be translated")  # noqa: T201


def extracted() -> Catalog:
    """Return every text that the code and the templates mark, and the sentence of every reason."""
    found = Catalog(LANGUAGE)
    for text in texts():
        found.add(text)
    return found


def texts() -> Iterator[str | tuple[str, ...]]:
    """Find the marked texts, file by file, and the wording of reasons."""
    for file in (*sorted((ROOT / "webapp").rglob("*.py")), *sorted(TEMPLATES.rglob("*.html"))):
        yield from texts_of(file)
    yield from WORDING.values()


def texts_of(file: Path) -> Iterator[str | tuple[str, ...]]:
    """Find the marked texts of a file."""
    if file.suffix == ".html":
        found = extract_from_file("jinja2.ext:babel_extract", file, MARKS, options=TEMPLATE_OPTIONS)
    else:
        found = extract_from_file("python", file, MARKS)
    yield from (text for _, text, _, _ in found)


def stored() -> Catalog:
    """Read the catalogue as it is kept."""
    with Path(FILE).open("rb") as file:
        return pofile.read_po(file, locale=LANGUAGE, abort_invalid=True)


def written(catalogue: Catalog) -> bytes:
    """Return a catalogue as text that changes only where a text does: sorted, without dates and places."""
    text = io.BytesIO()
    pofile.write_po(
        text,
        catalogue,
        width=110,
        no_location=True,
        omit_header=True,
        sort_output=True,
        ignore_obsolete=True,
    )
    return text.getvalue()


def done(translation: str | tuple[str, ...] | list[str] | None) -> bool:
    """Whether a text has its translation, in each of its forms."""
    return all(translation) if isinstance(translation, (tuple, list)) else bool(translation)


if __name__ == "__main__":
    main()
