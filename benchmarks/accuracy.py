"""How well bounces are read: ``python -m benchmarks.accuracy FOLDER``.

``FOLDER`` holds samples that nobody here wrote, and that are not ours to pass on: the unpacked source of the
package ``flufl.bounce``, which says in its tests whom each sample of ``tests/data`` means, and whether for
good. What is measured is whom we read as bounced: of the recipients that are expected, the share that is
found (recall), and of those that are found, the share that is expected (precision). A sample of a delay or
of another kind expects nobody. A recipient who was forwarded has two addresses, and counts once.
"""

from __future__ import annotations

import ast
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mailing.bounces.causes import BounceClass
from mailing.bounces.reading import Kind, read

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARTS = 4  # of what the tests say of a sample: detector, file, recipients, whether for now only


def expected(folder: Path) -> Mapping[str, frozenset[str]]:
    """Return whom each sample means for good."""
    found: dict[str, frozenset[str]] = {}
    tree = ast.parse((folder / "tests" / "test_detectors.py").read_text())
    for node in ast.walk(tree):
        if not isinstance(node, ast.Tuple) or len(node.elts) != _PARTS:
            continue
        try:
            _detector, name, people, passing = ast.literal_eval(node)
        except (ValueError, TypeError):
            continue
        if isinstance(name, str) and name.endswith(".txt"):
            named = frozenset(it.decode().lower() for it in people)
            found[name] = found.get(name, frozenset()) | (frozenset() if passing else named)
    return found


def main() -> None:
    """Measure, and say which samples are read otherwise."""
    folder = Path(sys.argv[1])
    samples = {it.name: it.read_bytes() for it in (folder / "tests" / "data").glob("*.txt")}
    wanted, right, found, wrong, begun = expected(folder), 0, 0, 0, time.perf_counter()
    reports = {name: read(raw) for name, raw in samples.items()}
    took = time.perf_counter() - begun
    people = sum(map(len, wanted.values()))
    for name in sorted(wanted.keys() & samples.keys()):
        report = reports[name]
        failures = report.failures if report.kind is Kind.BOUNCED else ()
        named = [{it.recipient.lower(), it.original.lower()} - {""} for it in failures]
        named = [them for them in named if them]  # one of them names nobody
        lost = {it for it in wanted[name] if not any(it in them for them in named)}
        more = [sorted(them) for them in named if not them & wanted[name]]
        right += len(wanted[name]) - len(lost)
        found += len(named)
        wrong += len(more)
        if lost or more:
            print(f"{name}: {report.kind}, not found {sorted(lost)}, found too {more}")
    dead = sum(it.cause.bounce_class is BounceClass.HARD for one in reports.values() for it in one.failures)
    print(f"{len(samples)} samples, {1e3 * took / len(samples):.2f} ms each; {dead} dead mailboxes")
    print(f"recall {right / people:.3f} ({right} of {people})")
    print(f"precision {1 - wrong / found:.3f} ({wrong} of {found} are wrong)")


if __name__ == "__main__":
    main()
