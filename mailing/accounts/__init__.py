"""People and keys: who may come in, what they may do, and what they did.

``roles``            what may be done, and which role may do it: a table
``tables``           people, sessions, invitations, keys and the audit log in the database
``passwords``        what a password must be, and how it is kept
``tokens``           secrets that are shown once: what is kept of them
``sealing``          secrets that must be read again: encrypted with a key made from the secret key
``users``            people: added, given a role, deactivated; one owner always stays
``sessions``         who is signed in where, and until when
``invitations``      links by which somebody gets an account
``leftovers``        sessions, invitations and throttles of no more use
``totp``             codes of an authenticator app, and recovery codes
``passkeys``         keys in people's devices that sign them in
``openid``           what an issuer (OpenID Connect) says, and whether to believe it
``openid_settings``  which issuer that is
``throttle``         how often something may be tried
``audit``            who did what to what, from where: append-only
"""
