"""What every request meets: hosts, sessions, forms, files, and the way to the database.

``auth``          who asks, and what they may do
``compression``   what goes over the wire compressed: pages and live streams
``door``          what stands before the application: it finds out who asks for which host and path, and
                  takes no WebSocket
``doorkeeper``    who is let in: sessions, believed for a second; open streams, looked after
``forms``         forms, read within limits: their size, the number of their fields, and the time the
                  event loop is held
``forwarding``    what a trusted proxy tells about a request that it passes on: who asked, under which
                  scheme and host
``list_process``  lists are read and stored beside the event loop, and long ones in processes of their own
``log_search``    what of the email log is asked for: the same words in the addresses of pages, of exports
                  and of the API
``origins``       where a request comes from: one of Volley's own pages or not, by TLS or not
``params``        what a page's address asks for: numbers, a state, words to search for
``probes``        whether a part works, for supervisors that ask every few seconds
``problems``      ``application/problem+json`` (RFC 9457)
``security``      what a request must prove before anything happens, and what every answer forbids the
                  browser
``services``      what every request needs, made once per process: settings, database, Redis, the hub
``static_files``  the files under ``static/``, read once when the process starts and served from memory
"""
