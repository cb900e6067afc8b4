"""Receipts: what became of a campaign, as a file that nobody can change without being found out.

``chain``      a line for each thing, each with the hash of all up to it; the last one is signed
``document``   the lines of a campaign, read at one instant
``keys``       the key that signs receipts: one for the installation, sealed under the secret key
``tables``     the table of the keys
``verifying``  a file is checked line by line, without a database: what it says, or which line is wrong
"""
