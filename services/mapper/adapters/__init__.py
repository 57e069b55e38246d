"""Where the mapper keeps things: PostgreSQL."""
