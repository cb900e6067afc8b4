"""Every state has one look."""

import re
from pathlib import Path

import pytest

from mailing.contacts.tables import ImportState, Standing
from mailing.core.states import AttemptResult, CampaignState, RecipientState
from webapp.ui import badges
from webapp.ui.explanations import explain

ROOT = Path(__file__).resolve().parents[3]
KINDS = (RecipientState, CampaignState, AttemptResult, Standing, ImportState)


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_has_a_word_a_shape_a_tone_and_a_meaning(kind):
    for state in kind:
        it = badges.look(state)
        assert all((it.label, it.shape, it.tone, it.meaning))
        assert f"tone-{it.tone}" in badges.badge(state)


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_states_of_a_kind_share_a_word_or_a_shape(kind):
    looks_of_kind = [badges.look(state) for state in kind]
    assert len({it.label for it in looks_of_kind}) == len({it.shape for it in looks_of_kind}) == len(kind)


def test_every_shape_is_drawn_and_every_tone_is_coloured():
    drawn = set(re.findall(r'id="shape-(\w+)"', (ROOT / "templates/shared/_shapes.html").read_text()))
    style = (ROOT / "static" / "volley.css").read_text()
    for states in badges.LOOKS.values():
        for it in states.values():
            assert it.shape in drawn
            assert f".tone-{it.tone}" in style


def test_the_bar_shows_every_state_once():
    assert sorted(badges.BAR_ORDER) == sorted(RecipientState)


@pytest.mark.parametrize(
    ("code", "enhanced", "words"),
    [
        (550, "5.1.1", "this mailbox doesn't exist"),
        (452, "4.2.2", "the mailbox is full"),
        (550, "", "the mailbox is unavailable"),
        (421, "4.7.28", "too much email in a short time"),
        (421, "4.7.650", "the server asked to retry later"),
        (451, "4.7.1", "the server asked to retry later"),
        (550, "5.7.23", "SPF doesn't allow this server to send for the domain"),
        (550, "5.1.99", "problem with the address"),
        (421, "", "the server closed the connection"),
        (599, "5.1.99", "problem with the address"),
        (599, "", "rejected permanently"),
        (499, "", "rejected temporarily"),
        (250, "2.1.5", ""),
        (None, "", ""),
    ],
)
def test_a_reply_is_explained_in_plain_words(code, enhanced, words):
    assert explain(code, enhanced) == words


def test_an_address_may_break_before_its_at_sign_and_is_escaped():
    assert badges.address('"<a>@b"@c.example') == "&#34;&lt;a&gt;@b&#34;<wbr>@c.example"
