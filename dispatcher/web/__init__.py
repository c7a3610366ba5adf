"""The web edge: one Flask application over the doors of all dialects."""
