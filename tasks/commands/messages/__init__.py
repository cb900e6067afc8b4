"""What is written, and what goes with it.

``drafting``   drafts that save themselves while they are written
``files``      the files of messages
``templates``  saved messages
"""
