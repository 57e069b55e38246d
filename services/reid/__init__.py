"""Recognises people: what they look like, and who is who across cameras."""
