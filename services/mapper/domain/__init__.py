"""Geometry and values: pure, numpy at most."""
