"""What Volley does, from a pasted list to an accounted email. It knows nothing of Quart or Celery.

The way of one email leads through these rooms::

    addresses   what people paste -> clean recipients, and why the rest was refused
    composing   a message with merge fields -> the bytes for one recipient
    campaigns   a message and its list, stored; send, pause, resume, cancel
    ledger      claims before the dot, results after it, all in group commits
    delivery    the engine: claims, composes, transmits, records
    smtp        the pipelined SMTP dialogue; replies, backoff: what an answer means
    events      the news of it over Redis
    history     everything that happened, to read, search and export
    answers     first answers to API calls, for their repetition
    checks      what Volley leans on, asked one by one: does it work, what to do

Below them: ``states`` (what may follow what), ``models`` (the tables), ``database``, ``senders``
and ``settings``. Beside them: ``inbox``, the demo SMTP server.
"""
