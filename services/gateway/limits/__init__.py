"""How often who may ask for what, and how much of it an environment may use."""
