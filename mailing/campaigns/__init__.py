"""Campaigns: drafts, how they stand, and what changes their state.

``canary``       some recipients are sent first, and the others follow once these went well
``drafts``       what a person writes, stored with its list piece by piece, however long the list is
``growing``      a draft's list grows: addresses are added to it, and lines that were skipped are fixed
``idempotency``  first answers to calls that carry an Idempotency-Key, so that a repeated call does
                 nothing twice
``lifecycle``    the states of a campaign as a whole, and all that changes them: people, faults,
                 decisions, and its end
``preflight``    what is good and what is not about a message before it is sent, as far as it shows itself
``queries``      message, state, and how many recipients are in each state, at one instant
``readiness``    whether a message can be filled for everybody on a list, by the shapes of the list
``recipes``      which answers the demo inbox gives in a rehearsal, and to whom
``rehearsals``   campaigns of their own, each a copy of a draft that goes to the demo inbox and nowhere
                 else
``retries``      a campaign in which everybody left has been tried, and waits to be tried again: until
                 when, at the most
``share_links``  links by which somebody without an account may look on at one campaign, for some days
``sittings``     who sits at the form of a draft, so that a second writer is told
``steering``     what may be changed while a campaign is sent: its hours and how urgent it is
``versions``     a message that is corrected while its campaign is paused, each version kept whole
"""
