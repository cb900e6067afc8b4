"""What is read to be shown: the email log, and how everything went.

``cells``             the state of each recipient, one byte each, in the order of their ids
``checkup``           the check of a campaign before it is sent: what it tells itself, and what DNS and
                      its links say
``estimates``         how long a draft may take, by what the last campaign took
``lanes``             how far each receiver of a campaign is, how fast, and why it is slow
``log``               a folder: the email log, and how it is searched
``overview``          how everything stands, over all campaigns, in as many queries however many they
                      are
``paces``             how many attempts ended how in each slot of time
``preview``           a message as one recipient gets it: composed for real, then read back as a mail
                      program would
``recipient_record``  all that is known about one recipient of a campaign
``rehearsed``         what a rehearsal has found: its answers against the recipe, who could not be
                      written to, sizes and times
``replay``            how many were in each state at each moment of its course, from the log
``trials``            what a test send is made of: one message for any address, with the data of a
                      recipient
``worker_roster``     every worker that lives or ended lately, as seen by somebody who keeps looking
"""
