"""The command that has the sweep done every few seconds: ``python -m tasks.beat``. One of it is enough.

Two do no harm, and none only delays: see ``upkeep``.
"""

from __future__ import annotations

from mailing import schema, settings
from mailing.core import logs
from tasks.app import app, use


def main() -> None:
    """Run Celery's beat; exit with a sentence where that is impossible."""
    chosen = settings.load_or_exit()
    logs.configure(chosen.log)
    schema.require(chosen.database_url, patient=True)
    use(chosen)
    app.Beat(quiet=True).run()


if __name__ == "__main__":
    main()
