"""What programs may send and what they get, described beside the code that reads and writes it.

``dialogues``           what was said with a mail server, as programs get it
``document``            the OpenAPI document, made of fields, shapes and operations
``domain_shapes``       the types of answers about domains and the keys that sign
``fields``              what programs may send: one table reads a request and describes it
``headers``             the key of a call that may be repeated
``lane_shapes``         the types of answers about lanes
``list_shapes``         the types of answers about saved lists
``message_shapes``      the types of answers about messages and templates
``operations``          what a route says of itself, beside its address
``receipt_shapes``      the types of receipts, and of attempts with what was said in them
``safeguards``          the fields of a campaign's breaker and its canary
``sender_shapes``       the types of answers about senders
``shapes``              the types of all other answers
``suppression_shapes``  the types of answers about suppressions and bounces
``timing_fields``       when a campaign is sent and how urgent it is, as programs say it
"""
