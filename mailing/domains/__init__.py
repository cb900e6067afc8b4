"""The domains that mail comes from: their keys, their signatures, and what DNS says of them.

``dkim``     DKIM signatures (RFC 6376), by RSA and by Ed25519 (RFC 8463) (pure)
``names``    what is a domain, and which ones campaigns come from
``records``  the DNS record of a key, and whether it is there
``tables``   the tables
``keys``     keys are made, watched, rotated and retired; their private halves are sealed
``health``   what DNS says of a domain that sends: its keys, SPF, DMARC and MX, as it was looked at last
``signers``  who signs the mail of each domain
"""
