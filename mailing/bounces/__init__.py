"""What comes back after an email was accepted: bounces, complaints, and what else lands among them.

``causes``           why an email came back, and whom that means (pure)
``delivery_status``  the machine's part of a report about delivery (RFC 3464, pure)
``matching``         whose a report is: tokens of ours, or a Message-ID and an address
``patterns``         bounces that follow no standard (pure)
``reading``          what a message in the bounce mailbox is: any bytes in, a record out (pure)
``receiving``        what is said with a server that brings reports, SMTP or LMTP (pure)
``tokens``           envelope senders that know their recipient (VERP)
``tables``           the tables
``recording``        reports are recorded, each once, beside the state of their recipients
``received``         what became of all that was sent: delivered, bounced, complained, unsubscribed
``usual``            a report as most servers write it, read the short way (pure)
``following``        what follows for an address: the rules are data
``store``            reports and what they count for, to read; they are forgotten after some days
"""
