"""What all stand on: states, tables, the database, time, and how reasons are told.

``actors``           who asks for a change
``bounds``           what pages, programs and the command line may ask for alike
``clock``            by it everything in the database is dated and due
``database``         one engine per process, and the two ways to use it, ``read`` and ``write``
``database_errors``  what a database's error means for whoever has to fix it: what happened, to what, what
                     to do
``logs``             readable lines in a terminal, JSON for machines (``VOLLEY_LOG=json``)
``privacy``          what Volley writes nobody else reads: its files hold other people's addresses, and
                     passwords
``reasons``          what Volley has to tell a person, as a code and its values, worded where it is shown
``side_thread``      a thread beside an event loop, for blocking work in turn
``statements``       statements as text, with tuples of values: those that run for every few emails, or
                     for each line of a list
``states``           the states of a campaign and of a recipient, and every change that is allowed
``strides``          how many rows one transaction takes, so that nobody waits long for its lock
``tables``           the tables
``terminal``         what a process says to the person at its terminal, and how it hears that it shall
                     stop
"""
