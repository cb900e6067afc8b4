"""A message with merge fields becomes the bytes for one recipient. All of it is pure.

``address_faults``  why the package ``email-validator`` refuses an address, as a reason of ours
``attachments``     a file that goes with a message: its name, made safe, and its part, encoded once
``compose``         a message with merge fields becomes the bytes for one recipient
``expressions``     what they may hold, and how they are worked out for one recipient
``field_names``     what a template calls a column, by the header that people wrote above it
``given_names``     the first name in a whole name, by which a message greets
``headers``         from, To, Date and Subject, folded, and encoded where ASCII ends
``locales``         dates and numbers as people of a language write them
``marks``           what in a message is Volley's and what is the writer's own: fields, conditions, and
                    the text between
``message_ids``     message-IDs that know their recipient, and nobody else can make
``multiparts``      the parts of a message, one within the other
``policies``        how Python's own library writes a message of ours: fields that programs read come out
                    as they are
``quoted``          text as quoted-printable lines, in pieces that never meet within a line
``templates``       constant text, fields, and conditions around them
``values``          text, numbers, true and false; how they print, compare and differ in kind
"""
