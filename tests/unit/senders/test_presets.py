"""Presets are whole: each can be entered, and says where its figures come from."""

from __future__ import annotations

import pytest

from mailing.senders import entries, presets
from mailing.senders.entries import Entry
from mailing.senders.presets import PRESETS, Preset

KNOWN = [preset for preset in PRESETS.values() if preset.key != presets.OWN]


@pytest.mark.parametrize("preset", KNOWN, ids=lambda it: it.key)
def test_a_preset_is_a_sender_once_its_credentials_are_entered(preset: Preset) -> None:
    entries.check(
        Entry(
            preset.name,
            preset.host,
            preset.port,
            preset.tls,
            username=preset.username or "club@example.org",
            auth=preset.auth,
            provider=preset.provider,
            client_id="mine" if preset.provider else "",
            connections=preset.connections,
            limits=preset.limits,
        )
    )
    assert preset.tls in {"starttls", "tls"}


@pytest.mark.parametrize("preset", KNOWN, ids=lambda it: it.key)
def test_a_preset_says_when_and_where_it_was_looked_up(preset: Preset) -> None:
    assert preset.source.endswith("; 2026-11-26")


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda it: it.key)
def test_a_preset_has_a_hint(preset: Preset) -> None:
    assert str(preset.hint)


def test_quotas_are_those_that_are_published() -> None:
    assert PRESETS["gmail"].limits.per_24h == 500
    assert PRESETS["workspace"].limits.per_24h == 2_000
    assert (PRESETS["microsoft"].limits.per_minute, PRESETS["microsoft"].limits.per_24h) == (30, 10_000)
