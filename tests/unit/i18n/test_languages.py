"""Texts, numbers and dates follow the language that is spoken."""

from __future__ import annotations

import contextvars
from datetime import UTC

import pytest

from mailing.core.states import RecipientState
from webapp.i18n import languages
from webapp.i18n.languages import NBSP, _, ngettext
from webapp.ui import badges, formats


def in_vietnamese(work):
    def run():
        languages.speak("vi")
        return work()

    return contextvars.copy_context().run(run)


def test_english_is_spoken_until_something_else_is():
    assert languages.current() == "en"
    assert _("Queued") == "Queued"
    assert in_vietnamese(lambda: _("Queued")) == "Chờ gửi"
    assert languages.current() == "en"


@pytest.mark.parametrize(
    ("n", "text"), [(1, "1 email"), (2, "2 emails"), (0, "0 emails"), (1_200, "1,200 emails")]
)
def test_a_count_is_grouped_and_never_parted_from_its_noun(n, text):
    assert ngettext("Send %(n)s email", "Send %(n)s emails", n) == f"Send {text}".replace(
        text, text.replace(" ", NBSP)
    )


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (lambda: ngettext("Send %(n)s email", "Send %(n)s emails", 1_200), f"Gửi 1.200{NBSP}email"),
        (lambda: formats.number(48_210), "48.210"),
        (lambda: formats.share(1, 3), "33,3%"),
        (lambda: formats.share(1, 120_000), "<0,1%"),
        (lambda: formats.rate(2.5), "2,5/phút"),
        (lambda: formats.duration(4_240), f"4,2{NBSP}giây"),
        (lambda: formats.duration(4_320_000), f"1{NBSP}giờ 12{NBSP}phút"),
        (lambda: formats.stamp(1_795_356_131_034, UTC), "14:02:11 22 thg 11, 2026"),
        (lambda: formats.clock(1_795_356_131_034, UTC), "14:02:11"),
        (lambda: formats.iso(1_795_356_131_034), "2026-11-22T14:02:11.034Z"),
        (lambda: badges.look(RecipientState.FAILED).label, "Thất bại"),
    ],
)
def test_vietnamese_has_its_own_words_and_signs(write, text):
    assert in_vietnamese(write) == text
    assert in_vietnamese(write) == text, "and says it again from what it remembers"


def test_a_value_is_escaped_where_a_text_holds_tags():
    message = "<b>%(ended)s</b> of %(total)s"
    assert languages.markup(message, ended="<i>", total=1) == "<b>&lt;i&gt;</b> of 1"
