"""What a person writes becomes the templates of a message. All of it is pure.

``fallbacks``  what a message says where a recipient has no value: ``{{ name }}`` becomes ``{{ name or
               "friend" }}``
``written``    the ways in which a message is written, and what it becomes
"""
