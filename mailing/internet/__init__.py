"""What the internet says of a domain and of links: asked within limits, and it may give no answer.

``dmarc``      where the DMARC policy of a domain stands, by the tree walk of RFC 9989
``findings``   what a check found: green, amber, red, or unknown, in words, and what to do
``links``      whether the links of a message lead anywhere: each asked politely, none within private
               networks
``machines``   what DNS says of a machine that sends: its name, and the blocklists that it is on
``names``      the records of names, or that nobody could be asked
``receivers``  who takes in the mail of a domain, and so whose limits hold: by rules that are data
``records``    those of a From domain that a refusal is about, and whether they are there by now
``senders``    what DNS says of who may send for a domain: SPF, DKIM and DMARC
``spf``        a domain's SPF record (RFC 7208): its look-ups, and what it says of an address
``spf_terms``  the terms of one, its macros, and how it is changed
"""
