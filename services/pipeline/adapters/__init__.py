"""Stores, media and clients of other services."""
