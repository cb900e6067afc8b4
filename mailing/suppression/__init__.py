"""Who must not be mailed, and why; and how people leave by themselves.

``subjects``      what a suppression is about: an address, a domain, or a person who wants to be forgotten
                  (pure)
``purposes``      what a campaign is for: bulk mail with or without a topic, or transactional (pure)
``reading``       a pasted list of subjects (pure)
``leave_tokens``  the token of an unsubscribe link (pure)
``leave_addresses``  the addresses by which people unsubscribe with an email (pure)
``list_fields``   what the header of an email says of the list, and the link in it
``tables``        the table
``store``         suppressions are kept, found, lifted; a person is forgotten
``leaving``       what recipients decide for themselves
``claims``        whom of those that a worker has claimed nobody may mail
"""
