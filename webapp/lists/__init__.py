"""Saved lists: bringing a file, seeing its contacts, taking them out again.

``choices``        what a person says about a file: how it is read, and what each of its columns is
``contact_views``  one contact of a list: changed, removed, and all that was ever sent to it
``import_views``   a file from its upload to what became of each line
``views``          all lists, and one with its contacts
"""
