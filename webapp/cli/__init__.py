"""The command line.

``changes``      ``volley correct``, ``failure-limit``, ``follow-up``, ``retry``, ``skip`` and more
``commands``     ``volley send``, ``status``, ``pause``, ``resume``, ``cancel`` and more
``corrections``  what the commands do that change what is being sent
``dkim``         ``volley dkim``: the keys that sign
``lists``        what the commands about saved lists do
``messages``     what the commands about a message do: shown as somebody gets it, sent as a test,
                 checked, rehearsed
``people``       what the commands about people and programs do: accounts, API keys, the API described
``progress``     its bar while it is sent, and what became of it
``receipts``     ``volley receipt`` and ``volley verify``
``rulebook``     ``volley rulebook check`` and ``ask``
``senders``      ``volley senders``: accounts at mail servers
``steering``     what the commands do that schedule and steer a campaign, and its lanes
``suppress``     ``volley suppress``: whom no campaign mails; ``volley bounce``: reports about sent emails
``timing``       those commands, and the options that say when a campaign is sent
``work``         what the commands of the command line do
"""
