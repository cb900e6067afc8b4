"""The recipients of a campaign in bulk: stored, added to, and counted.

``additions``      a list that is added to the one that a draft has: what of it is new, and what is there
                   already
``copying``        a list on its way from a draft into its rehearsal, piece by piece, within the database
``domain_counts``  how many recipients the most frequent have, and how many other domains there are
``shapes``         what its recipients have, counted once when the list is stored
``spools``         recipients on their way into a campaign, in a file: a long list needs no more memory
                   than a short one
``store``          a campaign's list in the database: its recipients, stored in bulk, and what was
                   remarked while reading it
``surveys``        what a list holds in sum, counted when it is stored: so no page depends on how long a
                   list is
"""
