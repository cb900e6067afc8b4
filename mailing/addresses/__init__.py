"""Lists as people paste them become recipients, or skipped lines with a reason. All of it is pure.

``address_search``  what a search for addresses means: the same on a campaign's page, in a saved list, in the
                    log, in the API and at a terminal
``columns``         which holds the address, which the name; all others are merge fields
``findings``        recipients, repeated ones merged, remarks, refusals, columns
``freetext``        one line of a list, taken apart into addresses, the names that go with them, and the rest
``mailbox``         is this an address that can be used, what is wrong with it, and whose name goes with it
``markup``          one line of a web page becomes plain text: addresses come from links, entities become
                    characters
``parsing``         what people paste, or a program posts, becomes clean recipients
``records``         vCard (RFC 6350 and 2426), LDIF (RFC 2849), and lines of ``Name: Ann Lee``
``repairs``         skipped lines that a person has changed: which of them stay as they are, and which are
                    read again
``rows``            those of a pasted table, of an address book, and of a program
``tables``          which sign parts its cells, where its header is, and its rows
"""
