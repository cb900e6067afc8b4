"""The way in for programs: JSON, events, exports, health, and the description of them all.

``answers``     what programs get, made of what was read
``campaigns``   campaigns and their recipients: created, listed, sent, decided about
``docs``        the OpenAPI document, as a file and as a page
``events``      a campaign's emails as Server-Sent Events: every one, as it was published
``exports``     the email log, or a campaign's recipients, to take away: as CSV or as JSON, a line for each
                row
``fields``      what programs may send: one table reads a request and describes it
``health``      does this process live (``/healthz``), and can Volley send mail now (``/readyz``)
``lists``       saved lists: brought, followed, read
``log``         the email log, a page of it or all that matches; and the audit log
``openapi``     the OpenAPI document, made of fields, shapes and operations
``operations``  what a route says of itself, beside its address
``posted``      a posted campaign is checked here, and whom a decision is about
``routes``      every blueprint for programs
``shapes``      the types of answers
``tokens``      a token for a key, and the public keys by which tokens are checked
"""
