"""Tasks for files in internal storage."""
