"""Fault drills: each breaks something while emails leave, then compares the accounts.

``judging`` runs and judges a drill, ``misdeeds`` are the ways in which the sink misbehaves, ``freezing``
stops a worker's process, ``clusters`` is a PostgreSQL of a drill's own. Folders hold what Python imports at
the start of a drill's processes: ``hurried`` short SMTP timeouts, ``brief`` short leases, ``skewed`` a wrong
clock, ``cramped`` a SQLite that cannot grow.

``make drills`` runs them all with 5,000 recipients each, and prints a table; ``make test`` those marked
``short`` with 200.
"""
