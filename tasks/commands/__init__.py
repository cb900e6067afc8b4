"""The only way by which pages, API and command line change anything, each a room for what is changed.

``accounts``     a folder: people, ways to sign in, API keys
``backend``      what commands change, and where they tell of it
``bounces``      what comes back: bounces, spam reports, what follows from them, and webhooks
``campaigns``    stored, revised, sent, decided about, shared
``corrections``  the message of a paused campaign, and when a campaign pauses by itself
``dkim``         the keys that sign
``lanes``        lanes by hand: a receiver is let go on, or has to rest
``lists``        saved lists, their contacts and their imports
``mailboxes``    mailboxes of reports, and what is fetched from them
``messages``     a folder: what is written, and the files that go with it
``rehearsals``   a draft is sent to the demo inbox as a campaign of its own
``senders``      accounts at mail servers: their credentials, limits and order
``steering``     when a campaign is sent, and how urgent it is
``suppression``  who must not be mailed
``workers``      workers take batches, or no more, by so many connections
"""
