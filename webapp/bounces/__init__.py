"""What came back after an email was accepted: bounces and spam reports.

``door``      the process that takes bounces over SMTP and LMTP
``programs``  bounces for programs, and what follows from them
"""
