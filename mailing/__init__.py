"""What Volley does, from a pasted list to an accounted email. It knows nothing of Quart or Celery.

The way of one email leads through these rooms::

    addresses   what people paste -> clean recipients, and why the rest was refused
      freetext    a line taken apart: addresses, names, words; markup: a line of a web page
      tables      how a pasted table parts its cells; columns: what its headers mean
                  field_names: what a template calls a column
      records     vCards, LDIF and the like
      rows        a row of any of them, or of a program, becomes a recipient
      mailboxes   the judge of one address and its name
      address_faults  what the package email-validator refuses
      findings    what was found: repeated rows merged into one recipient, remarks, refusals
    drafts      a message and its list, stored piece by piece; strides: how much one transaction takes
    campaigns   how each stands: its message, its state, its counts
    lifecycle   what changes its state: people, faults, decisions, its end
    growing     it is added to, and its skipped lines are fixed
    lists       its recipients in bulk, and the remarks on its lines
      additions   what of another list is new to it
      repairs     its skipped lines, as a person has changed them
      surveys     what it holds in sum, counted when it is stored
      shapes      what its recipients have; domain_counts: and how many of them are at which domain
      readiness   whether a message can be filled for all of them
      fallbacks   what the message says where a recipient has no value
      previews    the message as one of them gets it
    batches     the list in ranges, as Celery carries them to the workers
    delivery    the engine of a worker: claims, composes, transmits, records, announces
      worklist    what it has in hand: batches, held recipients, results to record
      rounds      one group commit of all that came together
      claims      who may be mailed by whom, durable before the dot
    results     how each attempt ended, recorded after it
    counters    how many recipients are in each state, at every instant; statements: SQL as text, for speed
    composing   a message with merge fields -> the bytes for one recipient
      merging     its templates: constant text, fields, and conditions around them
      marks       what in a source is ours, and where it stands
      expressions   what fields and conditions may hold, and how they are worked out
      values      the kinds of values, how they print and compare
      policies    how Python's own library writes a message of ours
      headers     From, To, Date, Subject, and that no value can end a line
    lanes       this process's connections to one sender, and the mail that waits for them
      width       on how many of them the server likes to be sent mail
    opening     connect, TLS, EHLO, AUTH
    smtp        the pipelined dialogue
      envelope    a mail and its commands, for what a server offers
      wire        commands out, replies in, a deadline for each
    replies     what a server answers, read
      rulebook    whom a refusal means and what follows: rules as data
      verdicts    what an answer means for one email
    outcome     what becomes of a recipient; backoff and waits: when to try again
    evidence    refusals that may be everybody's affair, and the pause once they are
    rests       a sender whose own limit is reached waits, and nobody fails
    events      the news of it over Redis
    decisions   what a person does with what failed, waits or is unknown; undertakings: with very many
      address_search  what a search for an address means, wherever it is typed
    finding     recipients by state, address or reply, page by page
    copies      the recipients of a campaign, to become those of a new one
    causes      the replies that held mail up, in groups
    paces       how fast it goes; rates: what that is, the one definition
    retries     for whom nobody can do anything before the next try is due
    history     what became of everybody, page by page
    maillog     every attempt of every campaign, to search and to take away
      log_walks   its indexes, and how a search goes through them
      search_box  the words of a search, as a reader types them
    recorder    all that is known about one recipient
    replays     how a campaign went, moment by moment
    cells       all of a campaign at a glance, one byte for each recipient
    foreign_mail  what strangers send, read as far as it can be read
      foreign_headers  the fields of its header
      foreign_text     its bytes as text

While it is under way, ``workers`` knows who sends and whether they live, ``roster`` shows it to whoever
looks, and ``sweeping`` puts back on its way whatever a dead one left behind. ``overview`` says how it all
stands, and ``watches`` lets somebody else look on.

Below them: ``reasons`` (what Volley has to tell, as codes; ``wording.toml`` has their sentences),
``states`` (what may follow what), ``models`` (the tables), ``schema`` (which of them are there),
``database``, ``database_errors`` (what its errors mean), ``clock`` (the time that all agree on),
``migrate``, ``senders``, ``sites`` (where people find Volley), ``settings``, ``threads`` and ``logs``;
``privacy`` (nobody else reads what Volley writes), ``redis_url`` (where Redis is), ``redis_errors`` (why it
takes no work) and ``redis_prefix`` (what is ours in it, which ``installation`` prints). Beside them:
``checks`` (does all that Volley leans on work), ``actors`` (who asks for a change), ``bounds`` (what may be
asked for), ``answers`` (the first answer to an API call, for its repetition), ``passwords`` (those of
Compose) and ``inbox``, the demo SMTP server. ``foreground`` is what processes in a terminal share.
"""
