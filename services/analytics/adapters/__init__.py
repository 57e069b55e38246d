"""The stores and services that analytics uses."""
