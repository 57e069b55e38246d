"""Model runtimes and stores."""
