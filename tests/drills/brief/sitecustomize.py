"""Leases of ``LEASE_S``, for every process whose PYTHONPATH names this folder: Python imports it."""

import os

from mailing.delivery import engine, sweeper
from mailing.ledger import leases

leases.LEASE_S = float(os.environ["LEASE_S"])
engine.LEASE_MARGIN_S = leases.LEASE_S / 4
sweeper.SILENT_S = leases.LEASE_S / 2
