"""Senders: the accounts by which mail leaves, each with its limits.

``allowance``  whom a sender limits by receiver, and the permits in hand
``entries``    what a person enters for a sender, and all that is wrong with it at once
``forecasts``  when the rest of a campaign is sent within the limits, and what holds it back
``limits``     at most how many emails may leave in a second, a minute, an hour, a day, and in any 24 hours
``opening``    from a sender as it is kept to one that can sign in
``permits``    what may leave within the limits, shared by all workers in Redis
``presets``    what is known of well-known mail servers
``routes``     by which senders a campaign goes, in their order, and its own limits
``store``      senders as they are kept: in their order, with secrets sealed, and never one in use taken away
``tables``     the tables of senders, and of how much each was given
``warming``    warm-up plans that are kept: begun, gone on with once a day, and what was sent on each day
``warmup``     how much a new sender may send on its first days
``windows``    how much may leave in which time, as limits say
"""
