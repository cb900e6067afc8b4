"""What every page shows alike: numbers, states, charts, dialogs.

``badges``        its word, its shape and its tone
``charts``        the drawing of a campaign's rate: stacked bars over time, one unit wide for each slot
``dialogs``       the browser opens ``<dialog id="…" closedby="any">`` modal, without a script
``dialogues``     what the stages of an SMTP dialogue are called
``downloads``     files to take away, a line for each row, in flat memory
``explanations``  what an SMTP answer means, in plain words of the language now
``foretold``      forecasts in words: when the rest is sent, and what holds it back
``formats``       how numbers, times and shares are written for people, in the language now: the same on
                  page and stream
``jinja``         what templates may use beyond their own data: filters, the reader's time zone, versioned
                  files
``preferences``   the language and the theme of the pages, kept in cookies
``receipts``      the one line in which the next page tells that an act was carried out
"""
