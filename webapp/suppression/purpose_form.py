"""The fields of a campaign's form that say what it is for: its topic, or that it is transactional."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.reasons import UnfitError
from mailing.suppression import purposes
from mailing.suppression.purposes import BULK, Purpose
from webapp.i18n.domain_texts import say_why

if TYPE_CHECKING:
    from collections.abc import Mapping


def typed(purpose: Purpose = BULK) -> dict[str, str]:
    """Return what the fields hold."""
    return {"topic": purpose.topic, "transactional": "on" if purpose.transactional else ""}


def read(form: Mapping[str, str], old: Purpose = BULK) -> Purpose:
    """Return what a form says, and what was there where it says nothing, or nothing that can be used."""
    try:
        return _read(form) if "purpose" in form else old
    except UnfitError:
        return old


def faults(form: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong, by the name of the form's field."""
    try:
        _read(form)
    except UnfitError as refusal:
        return {"topic": say_why(refusal)}
    return {}


def _read(form: Mapping[str, str]) -> Purpose:
    return purposes.read(form.get("topic", ""), transactional=bool(form.get("transactional")))
