"""Reports are fetched from mailboxes: ``python -m tasks.mailboxes`` is the process that watches them."""
