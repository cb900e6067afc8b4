"""What is kept for messages: files that go with them, and saved messages with their versions.

``files``   attachments and images: kept once, listed, given to a campaign, removed when unused
``kinds``   what a file is, by what stands in it
``tables``  files, the files of campaigns, templates and their versions
``templates``  saved messages with their versions: saving makes the next one, and none is ever changed
"""
