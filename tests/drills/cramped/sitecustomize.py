"""SQLite cannot grow while the file ``DISK_FULL`` exists, as on a full disk.

For every process whose PYTHONPATH names this folder: Python imports it.
"""

import os
from pathlib import Path

from sqlalchemy import Engine, event

_PAGES = 0xFFFFFFFE


@event.listens_for(Engine, "begin")
def _limit(connection):
    pages = 1 if Path(os.environ["DISK_FULL"]).exists() else _PAGES  # never fewer than there are
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
