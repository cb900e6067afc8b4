"""Who shows it: pages, API and live streams, on Quart. Whatever they change, ``tasks.commands`` does.

Wings stand on floors, and import only from floors below::

    cli          the command line
    accounts     signing in, people, the audit log
    wall         a campaign on a big display
    public       what strangers reach without signing in: share links
    demo_inbox   what the demo inbox received
    log          the email log
    dashboard    the overview
    workers      who sends
    campaigns    from a draft to the end, and each recipient
    messages     writing: editors, templates, previews, tests, the check before Send
    lists        saved lists: bringing a file, contacts
    api          for programs: JSON, events, exports, health
    mailboxes    where reports are fetched from: the page, and the same for programs
    bounces      what came back, the door for it, and the same for programs
    suppression  whom no campaign mails: its page, and the same for programs
    domains      what mail comes from: keys that sign, DNS, and the same for programs
    received     how sent mail is received: its page, and the same for programs
    lanes        how far each receiver of a campaign is, and its lane by hand
    receipts     what became of a campaign: its page and its file
    senders      the accounts that send: their pages, their consent, and the same for programs
    openapi      what programs may send and get, and the description of it
    live         one Redis subscription, shared drawings, Server-Sent Events
    ui           numbers, states, charts, dialogs, as every page shows them
    http         hosts, sessions, forms, files, the way to the database
    programs     API keys and tokens at the door, and how often a program may ask
    i18n         English and Vietnamese

``app`` puts them together, ``error_pages`` is what a browser is shown where a request fails, ``serve`` is the
process (Hypercorn, its start and its stop) and ``http1`` reads HTTP/1.1 strictly.
"""
