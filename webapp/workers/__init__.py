"""The page of the workers.

``views``  who sends, how fast and since when, how much waits, and the buttons that steer them
"""
