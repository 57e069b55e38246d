"""How services prove to each other who calls, and on whose behalf."""
