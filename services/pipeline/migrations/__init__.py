"""Schema of the sessions."""
