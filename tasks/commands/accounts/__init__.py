"""People and programs: who may come in, and by what.

``factors``  ways to sign in: authenticator apps, passkeys, recovery codes
``keys``     API keys, and the keys that sign tokens and receipts
``people``   accounts, roles, sessions, invitations
"""
