"""Exports of other programs, recognised by their columns and by what the file is called. Pure.

Each says which of its columns tell who may be mailed, which hold objects, and which are of no use to a
message. A person sees them all, and may take them nevertheless.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.core.states import Standing
from mailing.messages.field_names import field_name
from mailing.uploads import standings
from mailing.uploads.plans import FILE, Format, Role, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.uploads.plans import Plan


@dataclass(frozen=True, slots=True)
class Export:
    """A program's export. It has all columns of ``needs``, and at least ``some`` of ``often``.

    ``skips`` matches the columns that are of no use to a message. All names are those of merge fields.
    ``usually_silent``: it has those of ``standing`` only where somebody asked for them.
    """

    program: str
    needs: frozenset[str]
    often: frozenset[str] = frozenset()
    some: int = 0
    standing: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    skips: re.Pattern[str] = re.compile(r"(?!)")
    usually_silent: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


EXPORTS = (
    Export(
        "listmonk",
        needs=_words("uuid email name status"),
        often=_words("attributes attribs"),
        some=1,
        standing=_words("status lists"),
        objects=_words("attributes attribs"),
        skips=re.compile("id|uuid|created_at|updated_at"),
    ),
    Export(
        "Mailchimp",
        needs=_words("email_address member_rating"),
        often=_words("optin_time confirm_time last_changed leid euid"),
        some=2,
        standing=_words("unsub_time clean_time"),
        skips=re.compile(
            "member_rating|(optin|confirm)_(time|ip)|latitude|longitude|gmtoff|dstoff|timezone|cc|region|"
            "last_changed|leid|euid|notes|tags|unsub_.*|clean_.*"
        ),
    ),
    Export(
        "Mautic",
        needs=_words("firstname lastname email"),
        often=_words(
            "points attribution attribution_date preferred_locale last_active date_identified stage"
        ),
        some=2,
        standing=_words("do_not_contact donotcontact dnc dnc_preferences"),
        skips=re.compile(
            "id|is_?published|(date|created|modified|checked|owner|stage)_.*|(date|created|modified)(added|by).*|"
            "owner|stage|points|attribution(_date)?|last_active|lastactive|preferred_locale|ip_?address(es)?"
        ),
        usually_silent=True,
    ),
    Export(
        "Sendy",
        needs=_words("name email joined last_activity added_via status"),
        standing=_words("status"),
        skips=re.compile(
            "joined|last_activity|added_via|opt_in_method|ip_address|country_code|signed_up_from|gdpr"
        ),
    ),
    Export(
        "Outlook",
        needs=_words("first_name last_name e_mail_address e_mail_2_address"),
        skips=re.compile(r"e_mail(_\d)?_(type|display_name)"),
    ),
    Export(
        "Google Contacts",
        needs=_words("e_mail_1_value"),
        skips=re.compile(
            r"(e_mail|phone|address|website|relation|event|im|custom_field)_\d+_(label|type)|photo"
        ),
    ),
)

_MAILCHIMP_FILE = re.compile(r"(subscribed|unsubscribed|nonsubscribed|cleaned)_(?:members|email|segment)_.*")
_SENDY_FILE = re.compile(
    r".*-(active|unconfirmed|unsubscribed|bounced|marked-as-spam|all)(?: ?\(\d+\))?\.csv"
)


def recognised(plan: Plan, name: str, rows: Sequence[Sequence[str]]) -> Plan:
    """Return the plan as the program of the file writes it, ``rows`` being its first ones below the header.

    Also a file of no known program may have a column that tells who may be mailed.
    """
    folded = [field_name(column.header) if column.header else "" for column in plan.columns]
    roles = [column.role for column in plan.columns]
    export = next((one for one in EXPORTS if _is(one, folded)), None)
    for place, word in enumerate(folded):
        cells = [row[place] for row in rows if place < len(row)]
        if plan.format is Format.ZIP and plan.columns[place].header == FILE:
            roles[place] = Role.STANDING if _files_tell(cells) else Role.SKIP
        elif export and word in export.standing:
            roles[place] = Role.STANDING
        elif export and word in export.objects:
            roles[place] = Role.FIELDS
        elif roles[place] is Role.FIELD:
            if export and export.skips.fullmatch(word):
                roles[place] = Role.SKIP
            elif not export and word and standings.tells(plan.columns[place].header, cells):
                roles[place] = Role.STANDING
    program, standing = _by_name(name.rpartition("/")[2].lower(), folded, export)
    return replace(named(plan, roles), recognised=program, standing=standing)


def remarks(plan: Plan) -> tuple[Reason, ...]:
    """Return what a person has to know of a program's export before they mail to it."""
    silent = any(one.usually_silent for one in EXPORTS if one.program == plan.recognised)
    if silent and not any(column.role is Role.STANDING for column in plan.columns):
        return (Reason("upload.silent-export", program=plan.recognised),)
    return ()


def _is(export: Export, folded: Sequence[str]) -> bool:
    there = frozenset(folded)
    return export.needs <= there and len(export.often & there) >= export.some


def _files_tell(names: Sequence[str]) -> bool:
    """Tell whether the names of files say who may be mailed, as Mailchimp's do."""
    return bool(names) and all(_MAILCHIMP_FILE.fullmatch(name.lower()) for name in names)


def _by_name(name: str, folded: Sequence[str], export: Export | None) -> tuple[str, str]:
    """Return the program that names its files so, and what the name says of all contacts in the file."""
    if export:
        found = _MAILCHIMP_FILE.fullmatch(name) if export.program == "Mailchimp" else None
        return export.program, _unless_active(found[1]) if found else ""
    found = _SENDY_FILE.fullmatch(name)
    bare = folded[:2] in (["name", "email"], ["", ""])  # its older versions write no header, and no status
    if found and bare:
        return "Sendy", _unless_active(found[1])
    return "", ""


def _unless_active(word: str) -> str:
    said = "" if word == "all" else word
    return "" if standings.of_word(said)[0] is Standing.ACTIVE else said
