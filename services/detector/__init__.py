"""Finds people in images."""
