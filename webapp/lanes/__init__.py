"""Lanes: how far each receiver of a campaign is, why it is slow, and its lane by hand.

``programs``  the same for programs
``views``     on the page of a campaign
"""
