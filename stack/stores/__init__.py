"""The embedded stores: real servers out of Python wheels."""
