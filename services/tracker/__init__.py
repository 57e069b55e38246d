"""Follows people inside one camera."""
