"""What the mapper does, without transport."""
