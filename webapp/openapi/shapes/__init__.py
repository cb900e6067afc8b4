"""The shapes of what programs get: types, each member with a sentence where its name does not say all.

The type checker holds the code to them, and the OpenAPI document is made of them. Text in ``Annotated`` is
the description of a member, a ``Format`` the form of its text.

``common``       what several say, and all that is not below
``domains``      domains, their keys and records
``lanes``        lanes
``lists``        saved lists
``messages``     messages and templates
``receipts``     receipts, and attempts with what was said in them
``senders``      senders
``suppression``  suppressions, bounces, and how mail is received
"""
