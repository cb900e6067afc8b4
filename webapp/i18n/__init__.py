"""English and Vietnamese: which one, and every text in it.

``domain_texts``  what ``mailing`` tells, in the reader's language
``languages``     the reader's choice, else the browser's, else English
"""
