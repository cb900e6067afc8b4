"""How an uploaded file is read: its format, encoding and sheet, and what each of its columns is.

Pure. ``reading.look`` guesses a plan, a person changes it, and ``reading.rows`` and ``rows.reader`` follow
it. It is kept as JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mailing.addresses.columns import distinct
from mailing.core.reasons import Reason, UnfitError
from mailing.messages.field_names import field_name, usable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Format(StrEnum):
    """What kind of file it is, by its content."""

    CSV = "csv"  # whatever sign parts its cells
    XLSX = "xlsx"
    XLS = "xls"
    ODS = "ods"
    JSONL = "jsonl"
    JSON = "json"
    VCARD = "vcard"
    ZIP = "zip"  # of CSV files


class Role(StrEnum):
    """What a column is to a contact."""

    EMAIL = "email"
    NAME = "name"  # the whole of it
    FIRST_NAME = "first_name"  # the parts of a name are merge fields too
    MIDDLE_NAME = "middle_name"
    LAST_NAME = "last_name"
    FIELD = "field"
    FIELDS = "fields"  # an object in JSON: each of its keys is a merge field
    STANDING = "standing"  # whether the contact may be mailed
    SKIP = "skip"


PARTS = (Role.FIRST_NAME, Role.MIDDLE_NAME, Role.LAST_NAME)
NAMED = frozenset((Role.FIELD, *PARTS))
FILE = "File"  # the header of the column that names the file of a row, where an archive holds several
ONCE = (Role.EMAIL, Role.NAME, *PARTS)


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column by its ``header`` (empty without one), and the merge field that it becomes, if it does."""

    header: str
    role: Role
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a file is read.

    An empty ``delimiter`` leaves each line of a CSV file whole; ``encoding`` is Python's name of it, empty
    where the format decides. The first ``above`` rows stand above the table and its header.
    ``recognised`` is the program that exported the file, if it is a known one. ``standing`` is the file's
    own word for all its contacts, ``unsubscribed`` for one; empty means that they may be mailed.
    """

    format: Format
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    above: int = 0
    header: bool = True
    columns: tuple[PlannedColumn, ...] = ()
    family_first: bool = False
    recognised: str = ""
    standing: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """The merge fields that come from columns, in their order; keys of ``Role.FIELDS`` come on top."""
        return tuple(column.field for column in self.columns if column.field)


def named(plan: Plan, roles: Sequence[Role], wanted: Mapping[int, str] | None = None) -> Plan:
    """Return the plan with these roles, and a name of its own for each merge field.

    A field is called what a person ``wanted``, by place, else after its header as in a pasted list. Keys of
    JSON that are names already stay as they are. Raises ``UnfitError`` if the roles do not fit the columns.
    """
    if len(roles) != len(plan.columns):
        raise UnfitError(Reason("upload.other-columns"))
    for role in ONCE:
        if roles.count(role) > 1:
            raise UnfitError(Reason("upload.twice", role=Reason(f"column-role.{role.replace('_', '-')}")))
    keep = plan.format in {Format.JSON, Format.JSONL}
    places = [place for place, role in enumerate(roles) if role in NAMED]
    names = []
    for place in places:
        header = (wanted or {}).get(place, "").strip() or plan.columns[place].header.strip()
        if header:
            names.append(header if keep and usable(header) else field_name(header))
        else:
            names.append(f"column_{place + 1}")
    order = sorted(range(len(names)), key=lambda at: names[at] != plan.columns[places[at]].header)
    given = dict(zip((places[at] for at in order), distinct([names[at] for at in order]), strict=True))
    return replace(
        plan,
        columns=tuple(
            PlannedColumn(column.header, role, given.get(place, ""))
            for place, (column, role) in enumerate(zip(plan.columns, roles, strict=True))
        ),
    )


def check(plan: Plan) -> None:
    """Raise ``UnfitError`` unless the plan says where the addresses are."""
    if not any(column.role is Role.EMAIL for column in plan.columns):
        raise UnfitError(Reason("upload.no-email-column"))


def dump(plan: Plan) -> dict[str, Any]:
    """Return a plan as what JSON can hold."""
    return asdict(plan)


def load(given: Mapping[str, Any]) -> Plan:
    """Return what ``dump`` made."""
    columns = tuple(
        PlannedColumn(column["header"], Role(column["role"]), column["field"]) for column in given["columns"]
    )
    return Plan(**(dict(given) | {"format": Format(given["format"]), "columns": columns}))
