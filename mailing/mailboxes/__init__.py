"""Mailboxes from which reports are fetched, by IMAP or POP3.

``entries``   what a person enters for a mailbox, and all that is wrong with it at once (pure)
``faults``    what keeps a mailbox from being looked at, in words
``imap``      as much of IMAP4rev1 (RFC 3501) as it takes
``line``      a connection on which everything ends in time, and that can be stopped
``looking``   one look at a mailbox: what is new is fetched in small batches, and recorded before it goes on
``opening``   from a mailbox as it is kept to a connection that is signed in
``pop3``      as much of POP3 (RFC 1939) as it takes
``store``     mailboxes as they are kept, with secrets sealed; how far each was read; who watches them
``tables``    the tables
``watching``  a thread that looks at one mailbox again and again
"""
