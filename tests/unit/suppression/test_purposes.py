"""What a campaign is for, and whom that keeps from it."""

from __future__ import annotations

import pytest

from mailing.core.reasons import UnfitError
from mailing.suppression import purposes
from mailing.suppression.claims import WITHHOLDS
from mailing.suppression.purposes import Purpose
from mailing.suppression.tables import SuppressionReason


def test_transactional_mail_is_withheld_for_every_reason_but_unsubscribing() -> None:
    assert WITHHOLDS[True] == {"bounced", "complained", "manual", "imported"}
    assert WITHHOLDS[False] == set(SuppressionReason)


def test_a_campaign_is_barred_by_everything_and_by_its_topic() -> None:
    assert Purpose("Tin Tức").scopes == ("", "tin tức")
    assert Purpose().scopes == ("",)
    assert Purpose(transactional=True).scopes == ("",)


def test_one_topic_has_one_scope_however_it_is_written() -> None:
    assert purposes.scope("NEWS") == purposes.scope("news")
    assert purposes.scope("Sự kiện") == purposes.scope("Su\u031b\u0323 kie\u0323\u0302n".upper())


@pytest.mark.parametrize(
    ("topic", "transactional", "code"),
    [
        ("x" * 61, False, "topic.too-long"),
        ("a\u202eb", False, "topic.invalid-character"),
        ("News", True, "topic.transactional"),
    ],
)
def test_a_topic_that_cannot_be_is_refused_with_the_reason(
    topic: str, *, transactional: bool, code: str
) -> None:
    with pytest.raises(UnfitError) as refused:
        purposes.read(topic, transactional=transactional)
    assert refused.value.reason.code == code


def test_blanks_around_and_within_a_topic_are_made_one() -> None:
    assert purposes.read("  Our \n events ", transactional=False) == Purpose("Our events")
