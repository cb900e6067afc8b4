"""The command line.

``bounces``      ``volley bounce``: reports that a mail server pipes in
``campaigns``    a folder: the commands about campaigns
``checkup``      what ``volley check`` does
``commands``     ``volley`` itself, with ``send``, ``status``, ``user``, ``key`` and more
``dkim``         ``volley dkim``: the keys that sign
``lists``        what the commands about saved lists do
``mailboxes``    ``volley mailbox``: from where reports are fetched
``opening``      what every command opens: the settings, the database, Redis, a file
``people``       what the commands about people and programs do: accounts, API keys, the API described
``receipts``     ``volley receipt`` and ``volley verify``
``received``     ``volley received``: how sent mail is received
``rulebook``     ``volley rulebook check`` and ``ask``
``senders``      ``volley senders``: accounts at mail servers
``suppression``  ``volley suppress``: whom no campaign mails
``webhooks``     ``volley webhooks``: where providers post bounces and complaints
"""
