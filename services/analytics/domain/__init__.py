"""Values and mathematics of history."""
