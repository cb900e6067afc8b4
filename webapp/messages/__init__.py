"""Writing: editors, templates, previews, test sends and the check before Send.

``autosave``      the form of a message saves itself while somebody types, and tells a second writer
``checkups``      the check before Send: green, amber and red lines on one page, and what to do
``corrections``   the message of a paused campaign is corrected, in the editor of drafts
``files``         the files of a draft, added and removed; and each of them to whoever may see it
``message_form``  the half of a campaign's form that holds the message: what is typed in it, and what it
                  makes of a draft
``previews``      a campaign's message as anybody gets it: as text and as HTML, wide and narrow, light and
                  dark, and its bytes
``rehearsals``    a draft is sent to the demo inbox as it would be sent, with answers that somebody chooses
``safeguards_form``  the fields of a campaign's form that say when it pauses by itself, and how many are
                  sent first
``templates``     saved messages: listed, looked at in each of their versions, and where a campaign starts
                  from one
``timing_form``   the fields that say when a campaign is sent and how urgent it is
``trial_pages``   a test send: its form, and its SMTP dialogue as it happens, stage by stage, with times
``visual``        the visual editor, in a frame of its own: the only page whose policy lets styles stand in
                  the HTML
"""
