"""The account of every recipient: claims, results, counters, and who holds what.

``batches``         the ranges of a campaign's recipients that Celery carries to the workers
``breaker``         it pauses a campaign once too many of its latest emails have failed
``claims``          a recipient that one worker alone may mail now, made durable before the dot
``counters``        how many recipients of each campaign are in each state
``dialogues``       what was said in the attempts that did not send, kept for some days
``domain_tallies``  how far each domain of a campaign is, and so each receiver
``evidence``        refusals that may mean more than their recipient, and the pause once they do
``lanes``           one receiver's mail by one sender: it slows or rests, and the others go on
``leases``          one row per worker process, from its start to its end
``rates``           the one definition, for chart, facts, overview, replay, API and command line
``receivers``       who takes in the mail of the most frequent domains, as it is kept
``rests``           a sender whose own limit is reached waits, in all processes alike, and nobody fails
``results``         how an attempt ended, recorded once, after the dot
``tables``          the tables of lanes and of dialogues
``usage``           what left already, for windows of limits that Redis has lost
"""
