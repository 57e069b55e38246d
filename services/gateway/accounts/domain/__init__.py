"""What accounts are, and which are good."""
