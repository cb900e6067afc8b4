"""What programs may send and what they get, described beside the code that reads and writes it.

``dialogues``      what was said with a mail server, as programs get it
``document``       the OpenAPI document, made of fields, shapes and operations
``fields``         what programs may send: one table reads a request and describes it
``headers``        the key of a call that may be repeated
``operations``     what a route says of itself, beside its address
``safeguards``     the fields of a campaign's breaker and its canary
``shapes``         a folder: the types of answers
``timing_fields``  when a campaign is sent and how urgent it is, as programs say it
"""
