"""The README tells the truth where a test can see it."""

from __future__ import annotations

import re

from mailing.setting_table import SETTINGS
from mailing.settings import ROOT

README = (ROOT / "README.md").read_text()


def test_the_settings_table_of_the_readme_is_that_of_the_code() -> None:
    rows = [f"| `{setting.name}` | {setting.default} | {setting.meaning} |" for setting in SETTINGS]
    assert [line for line in README.splitlines() if line.startswith("| `VOLLEY_")] == rows


def test_every_file_that_the_readme_points_to_exists() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README) + re.findall(r'src(?:set)?="([^"]+)"', README)
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]


def test_every_make_target_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)\b", README)) - {"and"}
    assert {"run", "test", "bench"} <= named
    assert not [target for target in named if f"\n{target}:" not in makefile]


def test_every_test_that_the_readme_names_exists() -> None:
    written = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+?)_…`", README):
        assert f"def {name}_" in written, name


def test_every_test_that_the_page_about_security_names_exists() -> None:
    text = (ROOT / "docs/security.md").read_text()
    named = [name.split("::") for name in re.findall(r"`([\w/]+\.py::\w+)`", text)]
    assert len(named) > 40
    for file, name in named:
        assert f"def {name}(" in (ROOT / "tests" / file).read_text(), (file, name)


def test_the_page_about_security_goes_through_every_chapter() -> None:
    text = (ROOT / "docs/security.md").read_text()
    assert re.findall(r"^## V(\d+) ", text, re.MULTILINE) == [str(n + 1) for n in range(17)]
