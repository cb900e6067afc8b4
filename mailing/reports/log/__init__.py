"""The email log.

``email_log``   every attempt of every campaign, to search, to page through and to take away
``search_box``  each term that a reader types, and what it asks for
``walks``       what is asked of it, and which index answers that
"""
