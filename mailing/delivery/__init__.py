"""What sends: the engine of a worker process, and the sweeper that puts right what a dead one left.

``announcer``     news of what was committed goes out in a thread of its own
``desk``          what the engine reads and writes beside its rounds
``engine``        claims, composes, transmits, records, announces
``group_commit``  one round of the engine's group commit: everything that came together, in one
                  transaction
``meters``        one process's permits for what a campaign sends by a sender, asked for ahead of the claims
``outcome``       what becomes of a recipient by a verdict: sent, failed, when to try again, or that it
                  was not its fault
``outlets``       the outlets of a worker process, one for each sender: its lane, its rest, its share of
                  the claims
``pool``          this process's SMTP connections to one sender, and the claimed mail that waits for them
``rooms``         how many claims a round may make, for which campaign and by which sender
``sweeper``       what keeps a campaign moving when something died: safe to run twice, at any time,
                  anywhere
``taking``        what is taken out of a batch in one round: first for lanes that are narrow
``turns``         whose turn it is: the most urgent campaign's, and in turn those that are as urgent
``waits``         how long a server asks to wait, read from the words of its reply
``width``         on how many connections a server likes to be sent mail, and from when on
``worklist``      what a worker process has in hand: batches it claims from, recipients it holds, results
                  to record
"""
