"""Measure, print the table, and exit 1 if a bar is missed or a row failed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, Any

from benchmarks import (
    audience,
    distance,
    figures,
    filling,
    imported,
    lanes,
    leaving,
    limits,
    live,
    looking,
    memory,
    pages,
    processes,
    receipts,
    returned,
    signing,
    sinks,
    speed,
    tabs,
    urgent,
    wire,
)
from benchmarks.browser import UnexpectedAnswerError
from benchmarks.site import Site
from tests.support.stack import TookTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.figures import Figure

    Row = Callable[[Site], Iterator[Figure]]

ROWS: Mapping[str, Row] = {  # the references first
    "sequential": speed.sequential,
    "naive": speed.naive_celery,
    "source": speed.smtp_source,
    "volley": speed.volley,
    "held": limits.held,
    "cost": limits.cost,
    "failover": limits.failover,
    "quota": limits.quota,
    "far": distance.far,
    "thinking": distance.thinking,
    "scaling": distance.scaling,
    "urgent": urgent.urgent,
    "memory": memory.memory,
    "archive": looking.looking,
    "receipt": receipts.receipt,
    "bounces": returned.returned,
    "stored": speed.stored,
    "filling": filling.filling,
    "signing": signing.signing,
    "lanes": lanes.lanes,
    "wire": wire.wire,
    "paste": pages.paste,
    "first": pages.first_email,
    "import": imported.imported,
    "workbook": imported.workbook,
    "audience": audience.audience,
    "viewer": live.one_viewer,
    "viewers": live.thousand_viewers,
    "tab": tabs.long_watch,
    "wall": tabs.long_wall,
    "views": tabs.first_views,
    "leave": leaving.leave,
}


_CHOICE = f"one of {', '.join(ROWS)}; all without one"


def _load() -> str:
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def _end(*_args: Any) -> None:
    sys.exit("Ended by a signal.")  # through every ``finally``, so that no process stays behind


def main() -> None:
    """Run the rows that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=_CHOICE)
    parser.add_argument("--postgres", default="", metavar="URL", help="measure with this PostgreSQL server")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.rows if name not in ROWS]:
        parser.error(f"There is no row {', '.join(unknown)}. There are: {', '.join(ROWS)}.")
    signal.signal(signal.SIGTERM, _end)
    site, before = Site(chosen.postgres), _load()
    measured: list[Figure] = []
    failed: list[str] = []
    for name in [name for name in ROWS if name in (chosen.rows or ROWS)]:
        _say(f"measuring: {name}")
        begun = processes.usage()
        try:
            measured += ROWS[name](site)
        except (sinks.WrongCountError, UnexpectedAnswerError, TookTooLongError) as error:
            failed.append(f"{name}: {error}")
        except sinks.NotInstalledError as error:
            _say(f"not measured: {name}: {error}")
        except Exception as error:  # noqa: BLE001 - one broken row must not take the figures of the others
            traceback.print_exc()
            failed.append(f"{name}: {error!r}")
        _say(f"  other programs used {processes.others(begun, processes.usage())} of the machine meanwhile")
    print(figures.table(measured))
    print(f"\n{os.cpu_count()} cores, load {before} before and {_load()} after; {site.database}.")
    faults = [*figures.missed(measured), *failed]
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
