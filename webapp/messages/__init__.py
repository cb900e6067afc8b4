"""Writing: editors, templates, previews, test sends and the check before Send.

``message_form``  the half of a campaign's form that holds the message: what is typed in it, and what it
                  makes of a draft
``previews``      a campaign's message as anybody gets it: as text and as HTML, wide and narrow, light and
                  dark, and its bytes
"""
