"""How sent mail is received: delivered, bounced, reported as spam, unsubscribed.

``programs``  the same for programs
``views``     its page, and its table on the page of a campaign
"""
