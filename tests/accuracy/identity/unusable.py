"""What loaders raise."""


class UnusableData(Exception):
    """A file is missing or holds what cannot be used; the message names it."""
