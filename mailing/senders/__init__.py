"""Senders: the accounts by which mail leaves, each with its limits.

``entries``  what a person enters for a sender, and all that is wrong with it at once
``limits``   at most how many emails may leave in a second, a minute, an hour, a day, and in any 24 hours
``opening``  from a sender as it is kept to one that can sign in
``store``    senders as they are kept: in their order, with secrets sealed, and never one in use taken away
``tables``   the tables of senders, and of how much each was given
"""
