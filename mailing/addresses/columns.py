"""The columns of a table: which holds the address, which the name; all others are merge fields.

Pure. A header is what people write above a column; ``field_names`` makes of it what a template can use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.messages.field_names import field_name, usable

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what, by their places from 0. ``fields`` are places and merge fields' names.

    ``full`` holds the whole name; where it is empty, the name is joined from ``parts``, which stand in the
    order in which they are said. ``spoken`` tells what each of them is.
    """

    email: int
    full: int | None
    parts: tuple[int, ...]
    fields: tuple[tuple[int, str], ...]
    spoken: tuple[str, ...] = ()

    def name(self, cells: Sequence[str]) -> str:
        """Return the name in a row."""
        if self.full is not None and self.full < len(cells) and cells[self.full].strip():
            return cells[self.full]
        return " ".join(cells[place] for place in self.parts if place < len(cells) and cells[place].strip())


RESERVED = frozenset(("name", "email"))  # what every recipient has: no merge field is called so
FIRST, MIDDLE, LAST = "first_name", "middle_name", "last_name"

_EMAIL = frozenset(
    "email e_mail mail email_address e_mail_address emailaddress mail_address emails e_mails email_id "  # noqa: SIM905
    "primary_email email_1 e_mail_1 e_mail_1_value email_1_value work_email contact_email user_email "
    "thu_dien_tu dia_chi_email dia_chi_e_mail dia_chi_mail dia_chi_thu_dien_tu hop_thu email_lien_he "
    "email_adresse e_mail_adresse mailadresse emailadresse adresse_email adresse_e_mail courriel mel "
    "correo correo_electronico posta e_posta メール メールアドレス 邮箱 电子邮件 電子郵件 почта".split()
)
_FULL = frozenset(
    "full_name fullname display_name displayname cn fn contact_name contact recipient recipient_name "  # noqa: SIM905
    "customer_name ho_ten ho_va_ten hoten hovaten ten_day_du ten_hien_thi ten_khach_hang ho_ten_hoc_sinh "
    "anzeigename vollstandiger_name nom_complet nombre_completo 姓名 名前 氏名".split()
)
_SHORT = frozenset("name names ten nom nombre nome имя".split())  # noqa: SIM905  # the whole, or one part of it
_FIRST = frozenset(
    "first_name firstname fname first given_name givenname forename vorname prenom ten_rieng 名".split()  # noqa: SIM905
)
_MIDDLE = frozenset("middle_name middlename mname middle additional_name ten_dem ten_lot dem".split())  # noqa: SIM905
_LAST = frozenset(
    "last_name lastname lname last surname family_name familyname sn nachname familienname "  # noqa: SIM905
    "nom_de_famille apellido apellidos cognome 姓".split()
)
_FAMILY_FIRST = frozenset("ho ho_dem ho_lot ho_va_dem ho_va_ten_dem ho_ten_dem ho_va_ten_lot".split())  # noqa: SIM905
_SHORT_IS_LAST = frozenset("vorname prenom".split())  # noqa: SIM905  # beside these, "Name" and "Nom" are surnames


def means_email(header: str) -> bool:
    """Tell whether a header is a usual one for a column of addresses."""
    return field_name(header) in _EMAIL


def means_name(header: str) -> bool:
    """Tell whether a header is a usual one for a name, or for a part of it."""
    word = field_name(header)
    return any(word in words for words in (_FULL, _SHORT, _FIRST, _LAST, _FAMILY_FIRST))


def assign(headers: Sequence[str], email: int | None = None, *, keep: bool = False) -> Columns | None:
    """Say what each column is, by its header. ``email`` is the place of the addresses where it is known.

    Returns None if no header tells where they are. An empty header becomes ``column_3`` or the like. With
    ``keep``, headers that are names already stay as they are: a program's ``firstName``.
    """
    words = [field_name(header) for header in headers]
    if email is None:
        email = next((place for place, word in enumerate(words) if word in _EMAIL), None)
    if email is None:
        return None
    full, said = _names(headers, words, email)
    parts = tuple(place for place, _part in said)
    names = [
        header if keep and usable(header) else words[place] if header.strip() else f"column_{place + 1}"
        for place, header in enumerate(headers)
    ]
    others = [place for place in range(len(words)) if place not in (email, full)]
    others.sort(key=lambda place: names[place] != headers[place])  # who is called so has the name first
    fields = zip(others, distinct([names[place] for place in others]), strict=True)
    return Columns(email, full, parts, tuple(sorted(fields)), tuple(part for _place, part in said))


def _names(
    headers: Sequence[str], words: Sequence[str], email: int
) -> tuple[int | None, tuple[tuple[int, str], ...]]:
    """Return the place of the whole name, and its parts with what they are, in the order of speech."""

    def first_of(known: Collection[str]) -> int | None:
        found = [at for at, word in enumerate(words) if word in known and at != email]
        return min(found, key=lambda at: headers[at] != words[at], default=None)

    full, short = first_of(_FULL), first_of(_SHORT)
    first, middle, last = first_of(_FIRST), first_of(_MIDDLE), first_of(_LAST)
    family, order = first_of(_FAMILY_FIRST), (FIRST, MIDDLE, LAST)
    if family is not None:
        first, short = (short, None) if first is None else (first, short)
        first, last, order = family, first, (LAST, MIDDLE, FIRST)  # as they are said
    elif short is not None and last is None and first is not None and words[first] in _SHORT_IS_LAST:
        last, short = short, None
    elif short is not None and first is None and last is not None:
        first, short = short, None
    parts = zip((first, middle, last), order, strict=True)
    said = tuple((place, part) for place, part in parts if place is not None)
    return (full if full is not None else short), said


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names, each that came before with a number behind it. ``RESERVED`` ones came before."""
    used, numbers, found = set(RESERVED), dict.fromkeys(RESERVED, 1), []
    for name in names:
        free = name
        while free in used:
            numbers[name] = numbers.get(name, 1) + 1
            free = f"{name}_{numbers[name]}"
        used.add(free)
        found.append(free)
    return found
