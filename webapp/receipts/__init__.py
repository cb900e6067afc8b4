"""Receipts: their page, and their file for browsers and programs.

``download``  the file of a receipt: read in one go, put into a file without a name, and sent from there
``views``     the page of a receipt: what it says, how it is checked, and what it can and cannot prove
"""
