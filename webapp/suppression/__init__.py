"""The suppression list: whom no campaign mails, and why; and what came back.

``bounces``   bounces and spam reports for programs, and what follows from them
``programs``  the same for programs
``views``     its page: searched, added to, lifted, downloaded; a person is forgotten
"""
