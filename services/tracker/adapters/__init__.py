"""Trackers that others wrote."""
