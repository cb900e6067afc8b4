"""The pages of the demo inbox.

``views``  only where mail goes to this machine, and never run as a page of ours
"""
