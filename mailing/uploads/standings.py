"""Whether a contact may be mailed, by what a file says of it, in English and Vietnamese. Pure.

What nobody knows is not mailed: a word that this room has never heard sets its contact aside, and is kept
as the reason.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mailing.core.states import Standing
from mailing.messages.field_names import field_name
from mailing.uploads.cells import text

if TYPE_CHECKING:
    from collections.abc import Callable

REASON_MAX = 100  # characters

Standpoint = tuple[Standing, str]
"""A standing, and the file's own word for it."""

ACTIVE: Standpoint = (Standing.ACTIVE, "")
_WORDS = {
    word: standing
    for standing, words in {
        Standing.ACTIVE: "active enabled subscribed confirmed opted_in opt_in optin member ok valid true "
        "yes y 1 hoat_dong dang_hoat_dong da_dang_ky dang_ky da_xac_nhan co",
        Standing.UNSUBSCRIBED: "unsubscribed unsubscribe unsub opted_out opt_out optout nonsubscribed left "
        "removed non_subscribed not_subscribed false no n 0 huy_dang_ky da_huy_dang_ky da_huy "
        "ngung_nhan khong",
        Standing.BOUNCED: "bounced bounce cleaned hard_bounce hard_bounced soft_bounce soft_bounced "
        "invalid undeliverable bi_tra_lai tra_lai khong_gui_duoc",
        Standing.BLOCKED: "blocklisted blacklisted blocked disabled complained complaint complaints spam "
        "inactive marked_as_spam abuse suppressed unconfirmed pending archived deleted bi_chan da_chan "
        "chua_xac_nhan",
    }.items()
    for word in words.split()
}
_WHERE_SET = {  # headers of columns in which anything but "no" means this
    word: standing
    for standing, words in {
        Standing.UNSUBSCRIBED: "unsubscribed unsub_time unsubscribed_at unsubscribe_date opted_out optout "
        "opt_out do_not_contact donotcontact do_not_email dnc dnc_preferences huy_dang_ky "
        "ngay_huy_dang_ky",
        Standing.BOUNCED: "bounced bounced_at clean_time hard_bounced bi_tra_lai",
        Standing.BLOCKED: "blacklisted blocklisted blocked complaint complained marked_as_spam spam bi_chan",
    }.items()
    for word in words.split()
}
_HEADERS = frozenset(
    "status state subscription_status email_status subscriber_status subscribed subscription standing "  # noqa: SIM905
    "email_marketing_status trang_thai tinh_trang trang_thai_email trang_thai_dang_ky".split()
)
_NOT = frozenset("false no n 0 never none null khong".split())  # noqa: SIM905


def of_header(header: str) -> Callable[[object], Standpoint]:
    """Return how the cells of a column with this header are to be read."""
    flag = _WHERE_SET.get(field_name(header))
    if flag is None:
        return of_cell

    def of_flag(cell: object) -> Standpoint:
        said = text(cell).strip()
        word = field_name(said) if said else ""
        if not word or word in _NOT:
            return ACTIVE
        known = _WORDS.get(word, Standing.ACTIVE)
        return (flag, header[:REASON_MAX]) if known is Standing.ACTIVE else (known, said[:REASON_MAX])

    return of_flag


def of_cell(cell: object) -> Standpoint:
    """Return the standing that a cell names. An empty one says nothing against its contact."""
    if isinstance(cell, list):
        return _of_lists(cell)
    return of_word(text(cell).strip()[:REASON_MAX])


@lru_cache(maxsize=1_000)
def of_word(said: str) -> Standpoint:
    """Return the standing that a word names, or the first word of a file's name."""
    if not said:
        return ACTIVE
    word = field_name(said)
    first = word.partition("_")[0]
    standing = _WORDS.get(word)
    if standing is None and first in _WORDS:
        standing, said = _WORDS[first], first
    if standing is None:
        return Standing.BLOCKED, said
    return (standing, said) if standing is not Standing.ACTIVE else ACTIVE


def tells(header: str, cells: list[str]) -> bool:
    """Tell whether a column says who may be mailed: by its header, and by words that are all known."""
    folded = field_name(header)
    if folded in _WHERE_SET:
        return True
    words = {field_name(cell) for cell in cells if cell.strip()}
    return folded in _HEADERS and bool(words) and words <= _WORDS.keys()


def _of_lists(given: list[object]) -> Standpoint:
    """Read the lists of a subscriber as listmonk's API tells them: who has left all of them has left."""
    said = [one.get("subscription_status") for one in given if isinstance(one, dict)]
    return of_word("unsubscribed") if said and set(said) == {"unsubscribed"} else ACTIVE
