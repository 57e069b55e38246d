"""Model runtimes, and what else touches pixels."""
