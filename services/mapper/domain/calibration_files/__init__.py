"""Calibrations as other systems write them, one module a format."""
