"""What senders and mailboxes sign in with.

``consent``    access tokens of accounts elsewhere (OAuth 2.0): asked for, kept for a while, replaced
``holders``    who signs in at a server: what senders and mailboxes have in common
``providers``  whose accounts give their consent, and what is asked of each
``secrets``    passwords and the like: kept sealed, left as they are, or emptied
"""
