"""Saved lists and their contacts: how they come from files, and how campaigns take recipients from them.

``tables``  lists, contacts, imports and the pieces of uploaded files
"""
