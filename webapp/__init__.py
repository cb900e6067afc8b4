"""Who shows it: pages, API and live streams, on Quart. It calls ``mailing`` and enqueues by ``tasks``.

============== ===================================================================================
``app``        the application: all that follows, put together
``serve``, ``http1``  the process: Hypercorn, its start and its stop; HTTP/1.1 read strictly
``services``   what every request needs; the way to the blocking database
``door``, ``forwarding``  who asks for what, also behind a proxy and under a prefix
``auth``       who asks, and what they may do
``security``, ``origins``  sessions, form tokens, hosts, headers; which pages are ours
``forms``      forms, read within limits
``error_pages``  what a browser is shown where a request fails
``dialogs``    the buttons that open and close dialogs
``assets``, ``compression``  the static files; what is sent, small on the wire
``dashboard``, ``workers_pages``  how everything stands; who sends
``pages``      campaigns: the list, drafts, one campaign, its buttons
``demos``      a campaign to try it with
``history_pages``, ``log_form``, ``searches``, ``exports``  the email log, to search and to take away
``inbox_pages`` what the demo inbox received
``recorder_pages``, ``replay_pages``  one recipient's page; a campaign's course, played again
``wall_pages`` a campaign on a big display, a cell for each recipient
``queue_watch``  whether Redis takes work
``live``       the hub: one Redis subscription for all open pages
``boards``     what pages see, drawn once for all who look at the same
``sse``        what open pages are told, as Server-Sent Events; ``campaign_stream`` those of campaigns
``news``, ``progress``  the same for tabs in the background: title, icon, milestones
``views``      what the address of a campaign's page asks for
``standing``, ``notices``  how a campaign stands: a reading, and what it says in words
``charts``, ``icons``  how it went, drawn; the tab's icon
``draft_pages``  a draft: what its list holds, the preview, and what can be fixed
``watch_links``, ``watch_pages``  links for those who may only look on, and what they see
``storing``    lists are read and stored where no page has to wait for it
``asking``     what an address asks for
``languages``, ``preferences``  English or Vietnamese; what a reader chose
``receipts``   the line that acknowledges an act on the next page
``phrases``  what ``mailing`` says, in the reader's language
``rendering``, ``formats``, ``looks``, ``offers``, ``explanations``  words, numbers, shapes, colours
``api``, ``api_models``, ``api_log``, ``api_streams``, ``problems``  for programs: JSON, events, errors
``health``, ``probes``  for supervisors
``cli``, ``cli_work``, ``cli_progress``  for terminals
============== ===================================================================================
"""
