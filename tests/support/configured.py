"""Settings as they are read from given variables, and the faults that are found in them."""

from pathlib import Path

import pytest

from mailing.settings import SettingsError, load

SECRET = "s" * 40


def loaded(folder: Path, **variables: str):
    return load({"VOLLEY_INSTANCE": str(folder), **variables})


def faults(folder: Path, **variables: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        loaded(folder, **variables)
    assert str(caught.value).splitlines() == list(caught.value.faults)
    return caught.value.faults
