"""Saved lists and their contacts: how they come from files, and how campaigns take recipients from them.

``audiences``        which contacts of the saved lists a campaign takes
``carrying``         an import carried out: rows become contacts, a piece in each transaction
``conditions``       what a contact's field must say for a campaign to take the contact
``contacts``         those of a list, found, read, and changed one by one
``history``          all that was ever sent to an address
``imports``          files on their way into saved lists, from the upload to the last contact
``leftovers``        what is left of ended imports and deleted lists, removed piece by piece
``lists``            named, with their merge fields, and counted as their contacts come and go
``mail_exchangers``  domains of an import that receive no email, found out after it
``notes``            what was found while a file was read, and addresses corrected as suggested
``origins``          from which saved lists a campaign's recipients were taken, how, and when
``storing``          contacts of a file on their way into a list, many at a time
``tables``           lists, contacts, imports and the pieces of uploaded files
``worth_a_look``     mistyped domains, roles, disposable addresses
"""
