"""Reports are fetched from mailboxes: ``python -m tasks.mailboxes`` is the process that watches them.

``commands``  the only way by which mailboxes are changed, and what is fetched is recorded
"""
