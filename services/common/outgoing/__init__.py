"""Addresses that callers give and the system opens: which, where, and how."""
