"""The overview.

``views``  what is being sent, what needs a person, what today brought, and what ended last
"""
