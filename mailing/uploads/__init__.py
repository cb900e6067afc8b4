"""An uploaded file becomes rows: whatever wrote it, in whatever encoding. It knows no database."""
