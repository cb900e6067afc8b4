"""Accounts: signing in, one's own account, the people, and what they did.

``doors``      what the pages here have in common: addresses and passwords as typed, where to go on
``sign_in``    the first account, signing in and out, invitations, and showing again who one is
``account``    one's own account: the password, and where one is signed in
``people``     who may come in, with which role; invitations
``audit_log``  who did what, with a search, and as a file
"""
