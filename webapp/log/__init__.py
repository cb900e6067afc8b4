"""The page of the email log.

``form``   what is written in it, what that asks for, its faults, its filters as chips
``views``  every attempt of every campaign, to search, to page through and to take away
"""
