"""The shapes of answers about saved lists, as those in ``shapes``."""

from typing import Annotated, NotRequired, TypedDict

from mailing.contacts.tables import ImportState
from mailing.core.states import Standing
from webapp.openapi.shapes.common import Code, Time


class SavedList(TypedDict):
    """A saved list."""

    id: int
    name: str
    total: Annotated[int, "How many contacts it has."]
    active: Annotated[
        int, "How many of them campaigns take: the others unsubscribed, bounced or are blocked."
    ]
    fields: Annotated[list[str], "Its merge fields."]
    revision: Annotated[int, "Counts up at each change of its contacts."]
    created_at: Time
    changed_at: Time


class ListPage(TypedDict):
    """A page of saved lists, newest first."""

    lists: list[SavedList]
    next: Annotated[int | None, "The `before` of the next page; null after the last."]


class Contact(TypedDict):
    """A contact of a list."""

    id: int
    email: str
    name: str
    fields: dict[str, str | int | float | bool]
    standing: Annotated[Standing, "Campaigns take only `active` contacts."]
    standing_reason: Annotated[str, "The word of the file that brought it."]
    created_at: Time
    changed_at: Time


class ContactPage(TypedDict):
    """A page of contacts."""

    contacts: list[Contact]
    next: Annotated[int | None, "The `after` of the next page; null after the last."]


class Import(TypedDict):
    """A file on its way into a saved list, and what became of its rows."""

    id: int
    list: Annotated[int | None, "The id of the list."]
    file: Annotated[str, "The name of the file."]
    state: ImportState
    recognised: Annotated[str, "The program that exported the file, if it is a known one."]
    rows: Annotated[int, "Rows read so far."]
    expected: Annotated[int | None, "How many there are, about; null if that is not known."]
    accepted: int
    duplicates: int
    updated: Annotated[int, "Contacts that the list had, and of which the file says more."]
    refused: int
    worth_a_look: int
    not_active: Annotated[int, "Accepted contacts that may not be mailed, as the file says."]
    reason: NotRequired[Annotated[str, "Why it failed."]]
    reason_code: NotRequired[Code]
    created_at: Time
    finished_at: Time | None


class Note(TypedDict):
    """What is told of a line."""

    line: Annotated[int, "The line or row, counted from 1; 0 for what is told of the whole file."]
    text: str
    reason: str
    code: Code
    suggestion: Annotated[str, "The address that was probably meant; empty without one."]


class NotePage(TypedDict):
    """A page of notes."""

    notes: list[Note]
    next: Annotated[int | None, "The `after` of the next page; null after the last."]
