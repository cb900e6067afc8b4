"""Who must not be mailed, and why.

``subjects``  what a suppression is about: an address, a domain, or a person who wants to be forgotten (pure)
``reading``   a pasted list of subjects (pure)
``tables``    the table
``store``     suppressions are kept, found, lifted; a person is forgotten
``claims``    whom of those that a worker has claimed nobody may mail
"""
