"""What strangers reach without signing in: share links, and the links to unsubscribe.

``leaving_desk``  one-click unsubscribes, committed in groups
``one_click``     the short way to it, in front of the application
``share_views``   one campaign, live, without any address and without the rest of Volley
``unsubscribe``   behind the link in an email: leave at once, take a break, choose topics, undo
"""
