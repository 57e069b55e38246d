"""What the service does, with no transport in sight."""
