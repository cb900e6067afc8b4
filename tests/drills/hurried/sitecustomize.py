"""Gives the workers of a drill SMTP timeouts of a second. Python imports it when PYTHONPATH names its folder."""

from mailing import wire

wire.Timeouts.__init__.__defaults__ = (1.0, 1.0, 1.0, 1.0, 1.0)
