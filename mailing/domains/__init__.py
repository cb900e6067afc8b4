"""The domains that mail comes from: their keys, their signatures, and what DNS says of them.

``dkim``        DKIM signatures (RFC 6376), by RSA and by Ed25519 (RFC 8463) (pure)
``names``       what is a domain, and which ones campaigns come from
``records``     records to publish, and that of a key: whether it is there
``tables``      the tables
``keys``        keys are made, watched, rotated and retired; their private halves are sealed
``signers``     who signs the mail of each domain
``ways``        by which ways its mail leaves: through providers, or by mail servers of our own
``looks``       what DNS says of SPF, DMARC and MX, and what to publish
``relays``      mail servers of our own: their names, blocklists, TLS
``health``      all of it, as it was looked at last
``aggregates``  aggregate reports of DMARC: any bytes in, a record out (pure)
``reports``     these as they are kept, and what they say in sum
"""
