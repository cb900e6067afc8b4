"""Programs at the door: what they show, and how often they may ask.

``bearers``  the Authorization header of a request: a key or a token, and what it allows
``issuer``   the keys of an issuer outside whose tokens are taken
``limits``   how often a program may ask, counted by all web processes together
"""
