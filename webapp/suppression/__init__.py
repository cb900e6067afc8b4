"""The suppression list: whom no campaign mails, and why.

``purpose_fields``  the fields by which programs say what a campaign is for
``purpose_form``    the fields of a campaign's form that say so
``programs``        the same for programs
``views``           its page: searched, added to, lifted, downloaded; a person is forgotten
"""
