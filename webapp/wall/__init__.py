"""A campaign on a big display.

``views``  one cell for each recipient, coloured by state as results come
"""
