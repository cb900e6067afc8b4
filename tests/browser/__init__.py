"""The whole road in a real browser."""
