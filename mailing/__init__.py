"""What Volley does, from a pasted list to an accounted email. It knows nothing of Quart or Celery.

Wings stand on floors, and import only from floors below::

    reports      what is read to be shown
    receipts     what became of a campaign, as a file that nobody can change without being found out
    delivery     the engine of a worker process, and the sweeper
    recipients   found, listed, decided about
    campaigns    drafts, how they stand, what changes their state
    contacts     saved lists, and how they are imported
    lists        recipients in bulk
    ledger       claims, results, counters, batches, leases, rests
    uploads      an uploaded file becomes rows
    mailboxes    mailboxes from which reports are fetched
    feedback     what providers tell of emails that they took
    bounces      what comes back after an email was accepted, and what follows
    suppression  who must not be mailed, and why
    addresses    pasted text becomes recipients
    domains      what mail comes from: keys that sign, and what DNS says
    senders      accounts at mail servers, and their limits
    credentials  what senders and mailboxes sign in with: secrets sealed, consent of providers
    smtp         the dialogue with a mail server, and what replies mean
    library      files and saved messages
    writing      what a person writes becomes a message
    messages     a message with merge fields becomes the bytes for one recipient
    internet     what DNS says of a domain, and whether links lead anywhere
    foreign      mail of strangers, read
    redis        what is ours in Redis
    programs     API keys and tokens: how programs show who they are
    accounts     people: who may come in, and what they did
    schedules    when a campaign is sent: moments, zones, hours of the day
    core         states, tables, database, time, reasons

The way of one email: ``addresses.parsing`` reads the list, ``campaigns.drafts`` stores it with the message,
``campaigns.lifecycle`` starts it, and ``ledger.batches`` cuts it into ranges for the workers. There
``delivery.engine`` claims a recipient (``ledger.claims``), composes (``messages.compose``), transmits
(``smtp.session``), decides what the reply means (``smtp.verdicts``, ``delivery.outcome``) and records it
(``ledger.results``); ``redis.events`` carries the news.

At the door, with a view of every wing: ``settings``, ``setting_table`` (those that there are)
and ``setting_values`` (how each is read),
``rulebook_file`` and ``rulebook_reading`` (the operator's rules for what refusals mean, and mistakes in
them), ``sites`` (where people find Volley), ``schema`` (which of the tables are there), ``migrate``,
``checks`` (does all that Volley leans on work), ``installation`` (prints the prefix of what is ours in
Redis), ``passwords`` (those of Compose), ``demo_inbox`` (the demo SMTP server) and ``demo_inbox_file`` (what
it keeps).
"""
