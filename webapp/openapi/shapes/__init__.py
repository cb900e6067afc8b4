"""The shapes of what programs get: types, each member with a sentence where its name does not say all.

The type checker holds the code to them, and the OpenAPI document is made of them. Text in ``Annotated`` is
the description of a member, a ``Format`` the form of its text.

``bounces``      what came back, what follows from it, and the webhooks by which it comes
``campaigns``    campaigns, their recipients, and rehearsals
``common``       what several answers say, and problems
``domains``      domains, their keys and records
``lanes``        lanes
``lists``        saved lists
``log``          what happened: attempts, changes by people, and events as they come
``mailboxes``    mailboxes from which reports are fetched
``messages``     messages and templates
``receipts``     receipts, and attempts with what was said in them
``received``     how mail is received
``senders``      senders
``service``      Volley itself: whether it works, and the tokens that it gives
``suppression``  suppressions
"""
