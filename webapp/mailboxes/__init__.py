"""The mailboxes from which reports are fetched: their page, their consent, and the same for programs.

``forms``     what is typed for a mailbox, and what is wrong with it
``programs``  the same for programs
``tests``     a mailbox is tested: connected to, and looked at
``views``     the pages, and the way to the provider of an account and back
"""
