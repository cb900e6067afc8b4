"""Buttons of dialogs: the browser opens ``<dialog id="…" closedby="any">`` modal, without a script.

A modal dialog keeps the focus inside and gives it back to its button; Esc closes it (HTML, section 4.11.4).
``dialogs.js`` does the same where a browser knows no commands yet.
"""

from __future__ import annotations

from markupsafe import Markup

_BUTTON = Markup('type="button" commandfor="{}" command="{}"')


def opens(dialog: str) -> Markup:
    """Return the attributes of a button that opens the dialog of this id."""
    return _BUTTON.format(dialog, "show-modal")


def closes(dialog: str) -> Markup:
    """Return the attributes of a button that closes the dialog of this id."""
    return _BUTTON.format(dialog, "close")
