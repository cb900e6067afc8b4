"""Writing: editors, templates, previews, test sends and the check before Send.

``message_form``  the half of a campaign's form that holds the message: what is typed in it, and what it
                  makes of a draft
"""
