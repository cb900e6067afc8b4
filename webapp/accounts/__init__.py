"""Accounts: signing in, one's own account, the people, and what they did.

``doors``          what the pages here have in common: addresses and passwords as typed, where to go on
``sign_in``        the first account, signing in and out, invitations, and showing again who one is
``second_step``    who has given the password, and owes a code
``authenticator``  the authenticator app and recovery codes: asked for, set up, turned off
``passkeys``       passkeys: added, removed, used
``ceremonies``     what a browser is asked about passkeys, and whether its answer is good
``oidc``           signing in at an issuer (OpenID Connect): the way there and back
``issuer``         that issuer, over HTTP
``account``        one's own account: the password, and where one is signed in
``people``         who may come in, with which role; invitations
``letters``        single emails outside campaigns: an invitation
``keys``           the keys of programs: made, shown once, revoked
``audit_log``      who did what, with a search, and as a file
``audit_words``    its codes, in the reader's language
"""
