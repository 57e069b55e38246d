"""Models that describe what a person looks like."""
