"""The suppression list: whom no campaign mails, and why; and what came back.

``bounces``         bounces and spam reports for programs, and what follows from them
``purpose_fields``  the fields by which programs say what a campaign is for
``purpose_form``    the fields of a campaign's form that say so
``door``      the process that takes bounces over SMTP and LMTP
``programs``        the same for programs
``views``           its page: searched, added to, lifted, downloaded; a person is forgotten
"""
