"""What happened: stores an environment's events as history, and answers about it."""
