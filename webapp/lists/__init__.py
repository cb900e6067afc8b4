"""Saved lists: bringing a file, seeing its contacts, taking them out again."""
