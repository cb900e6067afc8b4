"""Writing: editors, templates, previews, test sends and the check before Send."""
