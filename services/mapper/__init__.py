"""Knows environments, and where on their floors things are."""
