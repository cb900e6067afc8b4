"""What strangers reach without signing in: share links.

``share_views``  one campaign, live, without any address and without the rest of Volley
"""
