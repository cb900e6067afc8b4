"""``make audit``: does any package of the locks have a known vulnerability? pip-audit asks PyPI for each.

Where the advisories cannot be had it says so. pip-audit itself then calls the packages skipped and ends
with "No known vulnerabilities found", which must not be taken for an answer.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import orjson

from mailing.core.terminal import say
from tests.support.processes import run

LOCK = "requirements-dev.lock"  # which holds all of the other one, too
FOUND, NOT_CHECKED = 1, 75  # exit codes; the second is EX_TEMPFAIL of <sysexits.h>
COMMAND = [
    *(sys.executable, "-m", "pip_audit", "--requirement", LOCK, "--require-hashes", "--disable-pip"),
    *("--format", "json", "--progress-spinner", "off", "--timeout", "10"),
]


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of the packages: each advisory in a line, how many were asked about, and why not more."""

    advisories: tuple[str, ...]
    checked: int
    reason: str

    @property
    def code(self) -> int:
        """The exit code."""
        return FOUND if self.advisories else NOT_CHECKED if self.reason else 0

    @property
    def words(self) -> str:
        """The same for people."""
        lines = [*self.advisories]
        if self.reason:
            lines.append(f"NOT CHECKED: {self.reason}")
        elif not lines:
            lines.append(f"Checked {self.checked} packages: none has a known vulnerability.")
        return "\n".join(lines)


def read(output: str, errors: str) -> Report:
    """Read what pip-audit wrote."""
    try:
        packages = orjson.loads(output)["dependencies"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        last = (errors.strip() or "pip-audit said nothing").splitlines()[-1]
        return Report((), 0, f"the advisories could not be had: {last}")
    skipped = [package for package in packages if "vulns" not in package]
    advisories = tuple(
        f"{package['name']} {package['version']}: {advisory['id']}, mended in "
        f"{', '.join(advisory['fix_versions']) or 'no version yet'}"
        for package in packages
        for advisory in package.get("vulns", ())
    )
    reason = ""
    if skipped or not packages:
        why = skipped[0].get("skip_reason", "") if skipped else "the lock is empty"
        reason = f"{len(skipped)} of {len(packages)} packages, as the advisories could not be had. {why}"
    return Report(advisories, len(packages) - len(skipped), reason)


def main() -> None:
    """Check the locks; exit 1 if something is known, 75 if it could not be looked up."""
    done = run(COMMAND, capture_output=True, text=True, timeout=600)
    report = read(done.stdout, done.stderr)
    say(report.words)
    sys.exit(report.code)


if __name__ == "__main__":
    main()
