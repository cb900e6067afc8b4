"""The suppression list: whom no campaign mails, and why.

``programs``  the same for programs
``views``     its page: searched, added to, lifted, downloaded; a person is forgotten
"""
