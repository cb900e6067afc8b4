"""A campaign on a big display.

``views``  one cell for each recipient, colored by state as results come
"""
