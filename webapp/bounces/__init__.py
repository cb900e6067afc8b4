"""What came back after an email was accepted: bounces, spam reports, and who tells of them.

``door``              the process that takes bounces over SMTP and LMTP
``hooks``             where mail providers post what became of emails
``programs``          bounces for programs, and what follows from them
``views``             the pages of bounces, and the rules of what follows
``webhook_programs``  webhooks for programs
``webhooks``          the page of webhooks
"""
