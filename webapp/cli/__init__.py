"""The command line.

``campaigns``  the commands about campaigns
``commands``   ``volley send``, ``status``, ``pause``, ``resume``, ``cancel`` and more
``dkim``       ``volley dkim``: the keys that sign
``lists``      what the commands about saved lists do
``people``     what the commands about people and programs do: accounts, API keys, the API described
``receipts``   ``volley receipt`` and ``volley verify``
``rulebook``   ``volley rulebook check`` and ``ask``
``senders``    ``volley senders``: accounts at mail servers
``suppress``   ``volley suppress``: whom no campaign mails; ``bounce`` and ``received``: what came back;
               ``webhooks``: where providers post it
"""
