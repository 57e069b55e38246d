"""Migrations of the schema `analytics`."""
