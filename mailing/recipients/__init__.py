"""Recipients of a campaign: found, listed, and decided about.

``copies``        the recipients of a campaign, read to become those of a new one
``decisions``     what a person does with recipients that were not sent, or may not have been
``forgetting``    a person who wants to be forgotten leaves all campaigns, and all that quotes the address
``listing``       what became of everybody, to read: recipients, each with its last attempt
``reply_groups``  why mail did not go through at once, in groups of the same reply, counted as they came
``received``      how their mail was received: by campaign, sender and receiver
``search``        finding recipients of a campaign, however long its list is: every question here has an
                  index
``undertakings``  decisions about more recipients than one transaction should move
"""
