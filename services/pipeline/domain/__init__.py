"""Values and rules of sessions, sources and accounting; no transport."""
