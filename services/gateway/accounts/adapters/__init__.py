"""PostgreSQL, Redis, hashing, signing, and the external issuer."""
