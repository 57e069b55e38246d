"""How large a message may be, on both ends of every call."""

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""Largest message of any RPC: an uncompressed 4K picture fits, little else does."""
