"""The pages of campaigns, from a draft to the end, and of their recipients.

``bulk_actions``     what a page offers for recipients that failed, wait or are unknown: its buttons and
                     their words
``demos``            50 recipients whose addresses show what the demo inbox can do
``draft_views``      what its list holds, what each recipient gets, and what can be fixed before sending
``favicon``          the tab's icon of a campaign: a ring that closes as it goes on, in the tone of the
                     worst that happened
``list_view``        what the address of a campaign's page asks for: which recipients, in which order,
                     how many at once
``news``             one stream for all that a browser shows, which stays open while they hide
``notices``          what a reading of a campaign says in words: what keeps it from going on, and how
                     long it will take
``progress``         one reading of the database, for its page and for its stream alike
``recipient_views``  one recipient's page, with each of its tries and its message as it was composed
``recipients_form``  the half of the campaign form that says who gets it
``replay_views``     a campaign's course, to be looked through and played again at any speed, from the
                     log
``share_links``      created, listed and revoked on the campaign's page; their token is signed with the
                     secret key
``stream``           what the open pages of campaigns are told: one campaign's page, and the list of
                     them
``tab``              how far a campaign has come, told where nobody looks at its page: the tab's title,
                     its icon, the news
``views``            the list, writing and changing a draft, one campaign, and its buttons
"""
