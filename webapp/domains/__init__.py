"""The domains that mail comes from: the keys that sign, their records, and what DNS says.

``programs``  the same for programs
``reading``   how domains stand, for pages and programs
``views``     the pages
"""
