"""Senders: their page, the consent of their accounts, and the same for programs.

``forms``        what is typed for a sender, and what is wrong with it
``inspections``  tests of senders, which pages and API begin in the same way
``oauth``        the way to an account's provider and back, with its consent
``programs``     senders for programs
``views``        the page of all senders, and of one
"""
