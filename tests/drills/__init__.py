"""Fault drills: each breaks something while 5,000 emails leave, then compares the accounts.

``judging`` runs and judges a drill, ``misdeeds`` are the ways in which the sink misbehaves, ``hurried`` gives
workers short SMTP timeouts, ``clusters`` is a PostgreSQL of a drill's own. ``make drills`` prints a table.
"""
