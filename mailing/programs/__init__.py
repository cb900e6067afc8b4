"""Programs: what they show to be let in, and what that allows. The tables stand in ``accounts``.

``api_keys``       keys: shown once, what they may do, revoked
``access_tokens``  JWTs that programs get for a key, or from an issuer outside
"""
