"""SMTP timeouts of a second, for every process whose PYTHONPATH names this folder: Python imports it."""

from mailing.smtp import connection

connection.Timeouts.__init__.__defaults__ = (1.0, 1.0, 1.0, 1.0, 1.0)
