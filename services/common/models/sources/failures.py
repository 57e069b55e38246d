"""How a source can fail."""


class SourceFailed(Exception):
    """A source did not give the file; the message says why, for a person."""


class Interrupted(Exception):
    """An answer ended early; asking again may bring the rest."""
