"""What keeps open pages up to date: one Redis subscription, shared drawings, Server-Sent Events.

``hub``          one Redis subscription for all open pages of this web process
``queue_watch``  asked every few seconds, so that pages can say what keeps mail from moving
``regions``      what open pages see, drawn once for all who look at the same thing
``sse``          Server-Sent Events: what open pages are told, as it happens
``trials``       the test sends of this web process, which pages and API begin and look at
"""
