"""Leases of ``LEASE_S``, for every process whose PYTHONPATH names this folder: Python imports it."""

import os

from mailing import delivery, sweeping, workers

workers.LEASE_S = float(os.environ["LEASE_S"])
delivery.LEASE_MARGIN_S = workers.LEASE_S / 4
sweeping.SILENT_S = workers.LEASE_S / 2
