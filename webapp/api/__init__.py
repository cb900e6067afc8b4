"""The way in for programs: JSON, events, exports, health.

``campaigns``  the API for programs, under ``/api/v1``: the same campaigns as on the pages, as JSON
``events``     a campaign's emails as Server-Sent Events, for programs: every one, as it was published
``exports``    the email log, or a campaign's recipients, to take away: as CSV or as JSON, a line for each
               row
``health``     does this process live (``/healthz``), and can Volley send mail now (``/readyz``)
``log``        what is asked of the email log and the audit log, and the shape of the answers
``schemas``    a posted campaign is checked here, and answers get their shape here
"""
