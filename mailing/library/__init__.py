"""What is kept for messages: files that go with them, and saved messages with their versions.

``tables``  files, the files of campaigns, templates and their versions
"""
