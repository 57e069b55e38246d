"""The one door to everything: HTTP for people and other systems."""
