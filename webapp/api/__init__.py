"""The way in for programs: what each of their calls does. How a call is described is in ``openapi``.

``answers``    what programs get, made of what was read
``campaigns``  campaigns: created, listed, changed, sent
``docs``       the OpenAPI document, as a file and as a page
``events``     a campaign's emails as Server-Sent Events: every one, as it was published
``exports``    the email log, or a campaign's recipients, to take away: as CSV or as JSON, a line for each row
``health``     does this process live (``/healthz``), and can Volley send mail now (``/readyz``)
``lists``      saved lists: brought, followed, read
``log``        the email log, a page of it or all that matches; and the audit log
``messages``   a campaign's message before it is sent: as somebody gets it, sent as a test, and checked
``posted``     a posted campaign is checked here
``recipients`` a campaign's recipients: listed, decided about, made a new draft of
``rehearsals`` a draft is sent to the demo inbox, and what that has found is read
``routes``     every blueprint for programs
``templates``  those that were saved, and those that come with Volley
``tokens``     a token for a key, and the public keys by which tokens are checked
"""
